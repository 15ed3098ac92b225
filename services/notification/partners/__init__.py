"""Partners' webhooks: what happened, told to the systems of others, at least once and never in silence."""
