"""A whole year of a federation's books, played from outside: the year 2023 of docs/decisions/0019."""
