"""Goods given in kind (物资): taken in, kept in a store, handed out, to the fen of their value.

Goods are never money: no figure here is part of a fund's balance or added to what was received or disbursed.
docs/decisions/0016-goods.md says why it is as it is.
"""
