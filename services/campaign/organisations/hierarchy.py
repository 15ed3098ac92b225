"""The federation as a tree: a city federation (慈善总会), county federations below it, what is below those.

An organisation keeps the place where it was registered: whoever may act for the one above it may act for it,
and what was raised and spent is told there. A reorganisation registers a new one.
"""

from typing import Final

from shared.refusals import Refused

MAX_DEPTH: Final = 4
"""Province, city, county, town."""
MAX_ORGANISATIONS: Final = 2000


class OrganisationExists(Refused):
    """The id or the name is taken."""

    code = "organisation-exists"
    title = "There is an organisation with this id or name"


class TooDeep(Refused):
    """A level too many."""

    code = "organisation-too-deep"
    title = "The organisation would stand too far below"


class RegisterFull(Refused):
    """As many organisations as this service is made for."""

    code = "organisation-register-full"
    title = "The register of organisations is full"


class NamedOtherwise(Refused):
    """A plan whose words for its organisation are not the register's."""

    code = "organisation-named-otherwise"
    title = "The register names the organisation otherwise"
    status = 422


class OrganisationChosen(Refused):
    """A campaign that belongs to an organisation already."""

    code = "organisation-chosen"
    title = "The campaign belongs to an organisation"


def require_not_chosen(organisation_id: str | None) -> None:
    """Raise OrganisationChosen when the campaign has one: money does not change hands by a word."""
    if organisation_id is not None:
        raise OrganisationChosen(
            f"It belongs to {organisation_id}. Money goes to another's fund by a transfer.",
            organisation_id=organisation_id,
        )


def depth_below(parent_id: str | None, parent_depth: int) -> int:
    """The level of an organisation below `parent_id` (None: on top, level 1). Raises TooDeep."""
    depth = 1 if parent_id is None else parent_depth + 1
    if depth > MAX_DEPTH:
        raise TooDeep(
            f"{parent_id} stands on level {parent_depth} of {MAX_DEPTH}; register it below one above.",
            fields=["parent_id"],
        )
    return depth


def require_room(registered: int) -> None:
    """Raise RegisterFull when there are MAX_ORGANISATIONS."""
    if registered >= MAX_ORGANISATIONS:
        raise RegisterFull(
            f"There are {registered} organisations, and no more can be registered.", registered=registered
        )


def as_registered(field: str, given: str | None, registered: str | None) -> str | None:
    """What a plan states in `field`: the register's words, where it has any. Raises NamedOtherwise.

    Charity Law art. 25: the campaign shows who raises, under which licence; nobody types that twice.
    """
    if given is not None and registered is not None and given != registered:
        raise NamedOtherwise(
            f"The register has {registered}. Leave {field} out, or have the register changed.", fields=[field]
        )
    return registered if registered is not None else given
