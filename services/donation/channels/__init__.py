"""Who may send donations: channels with their schemes, keys, limits and states."""
