"""Matching gifts (配捐): a company promises to add to what others give, up to a cap.

What is matched is a function of sums, exact at the cap whatever comes in which order and by how many workers.
It is a promise and never received money. docs/decisions/0013-life.md says why it is as it is.
"""
