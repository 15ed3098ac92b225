"""Benchmarks of the real services as processes of their own, each beside something to compare it with."""
