"""Dead letters: records that could not be used, looked at, sent again or set aside by people."""
