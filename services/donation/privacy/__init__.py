"""What donors may ask of their personal data: to see it, and to have it erased (PIPL art. 45, 47)."""
