"""Receipts (捐赠票据): numbered without gaps, checked by anyone, never edited (Charity Law art. 38)."""
