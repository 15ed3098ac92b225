"""The payment companies' own notices: each scheme proves them and says what they mean for the books."""
