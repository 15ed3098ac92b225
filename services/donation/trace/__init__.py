"""The donor's trace (善款去向): with the code of a receipt, where the money stands and whom it helped."""
