"""Organisations (慈善会): the register, who may act for which, and what rolls up."""
