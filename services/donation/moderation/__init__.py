"""Donors' messages (寄语): judged by rules, decided by a person, and only then shown."""
