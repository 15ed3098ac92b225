"""Disclosure (信息公开): what is due when, and reports that are generated from the ledger and frozen.

The campaign service decides, generates and freezes; the reporting service publishes.
docs/decisions/0017-disclosure.md says why it is as it is.
"""
