"""Charity insurance (慈善保险) as a programme: policies, whom they cover by group, what they paid."""
