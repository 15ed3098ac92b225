"""The four services. None imports another: what one needs of the others it has from their events."""
