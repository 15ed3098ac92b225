"""Tests on real parts; `conftest.py` has the fixtures."""
