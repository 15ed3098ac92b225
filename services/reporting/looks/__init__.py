"""How a campaign's screens look: layouts, codes to scan, sample numbers, themes. Never what the number is."""
