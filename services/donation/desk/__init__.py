"""The desk in the hall (现场录入): cash, cheques and placards, money in hand, entered by a person."""
