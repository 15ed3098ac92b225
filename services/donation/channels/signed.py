"""Who signed a request: a channel, by any of its signing keys that count now."""

import time
from collections.abc import Mapping
from typing import Final

from services.donation.channels.directory import Channel, Directory
from services.donation.signatures import NotSigned, verify
from shared.problems import Problem

CHALLENGE: Final = "Standard-Webhooks"
"""What a 401 asks for (RFC 9110, 11.6.1): the scheme has no registered name, this is its own."""


async def signed_by(
    directory: Directory, channel: Channel, headers: Mapping[str, str], body: bytes
) -> tuple[Channel, str]:
    """The channel as it is now, and the request's webhook-id. `headers` by their names in lower case. Raises
    Problem (401).

    A signature that no known key makes may be one of a key that was added in another process just now: the
    channels are read again (at most once a second), and it is looked at once more.
    """
    try:
        return channel, verify(channel.signing_keys(), headers, body, time.time())
    except NotSigned as error:
        if error.code != "signature-wrong":
            raise _unsigned(error) from None
    channel = await directory.renewed(channel)
    try:
        return channel, verify(channel.signing_keys(), headers, body, time.time())
    except NotSigned as error:
        raise _unsigned(error) from None


def _unsigned(error: NotSigned) -> Problem:
    return Problem(401, error.code, error.detail, headers={"WWW-Authenticate": CHALLENGE})
