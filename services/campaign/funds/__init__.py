"""Funds: money that is restricted to a purpose, and the recorded ways in which it changes its fund."""
