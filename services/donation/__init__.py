"""Donation: is this a new donation, a repeat, a conflict, one to hold? The books of what came in."""
