"""A file that can't be read as a whole: nothing of it is taken."""

from shared.refusals import Refused


class Unreadable(Refused):
    """The detail says where and why, never what stands there."""

    code = "statement-unreadable"
    title = "The file can't be read"
    status = 422
