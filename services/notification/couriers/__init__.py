"""What carries a message to a donor: mail, short messages, WeChat, each with its company's own signature."""
