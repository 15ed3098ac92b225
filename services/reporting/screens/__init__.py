"""Registered screens: who opens them by which link, and what an operator has put on air there."""
