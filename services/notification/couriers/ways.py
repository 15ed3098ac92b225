"""The ways a message goes to a donor, and what carries it there.

A courier speaks to one provider for one worker. Whatever its protocol, it answers in the three words of
delivery.py: taken, with the provider's id; refused for good, with a code; refused for now, try later. What is
none of these after the message was given away is doubt, and is never sent again by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from services.notification.delivery import Answer
from shared.events import Contact


class Way(StrEnum):
    """How a donor is written to."""

    MAIL = "mail"
    SMS = "sms"
    WECHAT = "wechat"


@dataclass(frozen=True, slots=True)
class MailLetter:
    """A whole mail as bytes and the address on its envelope."""

    recipient: str = field(repr=False)
    mail: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SmsLetter:
    """A template that the provider has approved, and its parameters in their order. `phone` is E.164."""

    phone: str = field(repr=False)
    template_id: str
    parameters: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class WechatLetter:
    """A template of one application and what stands in its fields. `subscribe`: a subscription message."""

    openid: str = field(repr=False)
    app_id: str
    template_id: str
    data: tuple[tuple[str, str], ...] = field(repr=False)
    subscribe: bool = False
    url: str | None = None


Letter: TypeAlias = MailLetter | SmsLetter | WechatLetter


class CourierUnavailable(Exception):
    """The provider can't be reached, or does not let this service in. No message was touched."""


class Courier(Protocol):
    """Carries the letters of one way. `given_away`: the letter in hand may have been taken already."""

    given_away: bool

    async def ready(self) -> None:
        """Be able to send. Raises CourierUnavailable."""

    async def send(self, letter: Letter, *, not_after_s: float) -> Answer:
        """Give one letter to the provider; `ready` comes before. Never raises for what the provider does.

        After `not_after_s` (monotonic clock) nothing is given away any more.
        """

    async def close_if_idle(self) -> None:
        """Let go of what was not used for a while."""

    async def close(self) -> None:
        """Take leave of the provider."""

    def drop(self) -> None:
        """Let go of everything at once."""


def way_of(contact: Contact, ways: Sequence[Way], wechat_apps: Sequence[str]) -> Way | None:
    """The first of `ways` that this contact can be reached by; None: there is none.

    One donation is thanked once, so by one way: never by the next when the first one fails, for a message
    that failed may be in doubt.
    """
    there = {
        Way.MAIL: contact.email is not None,
        Way.SMS: contact.phone is not None,
        Way.WECHAT: contact.wechat_openid is not None and contact.wechat_app_id in wechat_apps,
    }
    return next((way for way in ways if there[way]), None)
