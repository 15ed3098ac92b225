"""Spending (支出, 拨付): from the request over two people to the payment, held to what the fund has."""
