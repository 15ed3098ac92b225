"""A service's tables, for the tests of migrating."""
