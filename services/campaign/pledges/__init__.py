"""Pledges (认捐, 举牌): promises made in public, from the placard to the last fen or the release.

A pledge is never counted as received, and never added to what was received or disbursed.
docs/decisions/0011-pledges.md says why it is as it is.
"""
