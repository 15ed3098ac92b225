"""What every rule of a service raises when it says no; `problems` makes the answer of it."""

from collections.abc import Sequence
from typing import ClassVar


class Refused(Exception):
    """A command that a rule of the domain refuses; nothing was changed.

    `code` is the stable end of the problem's type, `status` its HTTP status (RFC 9457), the message says what
    to do next, `fields` names what was wrong in the request, and `facts` are the figures that belong to it.
    """

    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "The command is refused"
    status: ClassVar[int] = 409

    def __init__(self, detail: str, *, fields: Sequence[str] = (), **facts: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = tuple(fields)
        self.facts = facts


class NotFound(Refused):
    """Something that is not there."""

    code = "not-found"
    title = "Not found"
    status = 404
