"""What at least two services need, and what is hard: the event contract, positions, outbox, set-up."""
