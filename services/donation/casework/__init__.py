"""Casework: a single donation found, looked into, taken back, let go on or refused by a person."""
