"""What was shown can be proved later: every number that went to a screen is kept, and found by its digest."""
