"""The reporting service: what the number is, now and minute by minute, and the screens that show it."""
