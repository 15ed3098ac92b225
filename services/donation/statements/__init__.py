"""Statements: files of donations from channels that send files, checked by people and imported once."""
