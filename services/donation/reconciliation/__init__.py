"""Reconciliation (对账): each channel's bill of a day against the donations of that day."""
