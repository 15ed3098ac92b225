"""What two people decide: one asks, another decides (制单, 审核). The rule; campaign has tables for it."""

from shared.refusals import Refused


class SamePerson(Refused):
    """One person who tries to take both steps."""

    code = "same-person"
    title = "Another person has to decide"
    status = 403


def require_another(person: str, first: str) -> None:
    """Raise SamePerson unless the second step is taken by another person than the first."""
    if person == first:
        raise SamePerson("Whoever has taken the first step can't take the second; somebody else has to.")
