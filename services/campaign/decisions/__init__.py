"""Recorded decisions of two people about a campaign: other uses (art. 56), what is left over (art. 58)."""
