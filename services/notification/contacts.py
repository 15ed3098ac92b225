"""A donor's contact as it comes from the restricted topic."""

import re
from typing import Final

from pydantic import ValidationError

from shared.events import Contact

EMAIL_MAX: Final = 320
PHONE_MAX: Final = 32
OPENID_MAX: Final = 128
NAME_MAX: Final = 200

_BOUNDS: Final = {
    "email": EMAIL_MAX,
    "phone": PHONE_MAX,
    "wechat_openid": OPENID_MAX,
    "wechat_app_id": OPENID_MAX,
}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class UnusableContact(ValueError):
    """A record on the contacts topic that is not a contact. Its text holds no personal data."""


def read_contact(value: bytes | None) -> Contact:
    """Read one contact, its name without control characters and at most 200 characters long.

    An address that is text but no good stays as it is: the message to it fails, visibly (addresses.py).
    Raises UnusableContact.
    """
    try:
        contact = Contact.model_validate_json(value or b"")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "body"
        raise UnusableContact(f"{field}: {first['type']}") from None
    for field, length_max in _BOUNDS.items():
        address = getattr(contact, field)
        if address is not None and (len(address) > length_max or "\0" in address):
            raise UnusableContact(f"{field}: too long, or not text")
    if (contact.wechat_openid is None) != (contact.wechat_app_id is None):
        raise UnusableContact("wechat_openid: without its application, or the other way round")
    if contact.email is None and contact.phone is None and contact.wechat_openid is None:
        raise UnusableContact("body: no address at all")
    name = _CONTROL.sub(" ", contact.name or "").strip()[:NAME_MAX]
    return contact.model_copy(update={"name": name or None})
