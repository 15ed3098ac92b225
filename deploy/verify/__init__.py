"""`shanliu verify`: every campaign's number recomputed, to the fen, from each place that knows it.

Nothing here uses the services' own rules, models or statements: a second opinion that shares its code with
the first is none. docs/decisions/0007-verify-at-positions.md says what is compared with what, and when.
"""
