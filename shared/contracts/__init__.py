"""What a service says of itself: its API as OpenAPI, its events as AsyncAPI, both as a page to read."""
