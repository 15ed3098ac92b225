"""A donor's contact as it comes from the restricted topic."""

import re
from typing import Final

from pydantic import ValidationError

from shared.events import Contact

EMAIL_MAX: Final = 320
NAME_MAX: Final = 200

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class UnusableContact(ValueError):
    """A record on the contacts topic that is not a contact. Its text holds no personal data."""


def read_contact(value: bytes | None) -> Contact:
    """Read one contact, its name without control characters and at most 200 characters long.

    An address that is text but no good stays as it is: the mail to it fails, visibly (addresses.py).
    Raises UnusableContact.
    """
    try:
        contact = Contact.model_validate_json(value or b"")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "body"
        raise UnusableContact(f"{field}: {first['type']}") from None
    if len(contact.email) > EMAIL_MAX or "\0" in contact.email:
        raise UnusableContact("email: too long, or not text")
    name = _CONTROL.sub(" ", contact.name or "").strip()[:NAME_MAX]
    return contact.model_copy(update={"name": name or None})
