"""The operations console: a client of the four services' HTTP APIs, for people; it holds no number itself."""
