"""What the person at the keyboard can mend."""


class StackProblem(Exception):
    """Something that keeps the local stack from running. The message is one line and says what to do."""
