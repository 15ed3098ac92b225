"""Mails about donors' receipts (捐赠票据): issued, issued in the place of another, voided."""
