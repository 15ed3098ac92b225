"""Everything around the services: the local stack, the command line, topics, the demo."""
