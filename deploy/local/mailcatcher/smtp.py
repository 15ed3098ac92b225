"""The mail catcher's SMTP side."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Final

from aiosmtpd.smtp import SMTP, AuthenticatorType, Envelope, Session

from deploy.local.mailcatcher.mailbox import Mailbox, Mode

LOOPBACK: Final = "127.0.0.1"
MESSAGE_BYTES_MAX: Final = 256 << 10
IDLE_SECONDS: Final = 300.0


class _Handler:
    """aiosmtpd calls these by name."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse the recipient for good when asked to."""
        if self._mailbox.take_turn(at_recipient=True) is Mode.REJECT_550:
            return f"550 5.1.1 <{address}> no such mailbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the mail and answer, or do what was asked for instead."""
        mode = self._mailbox.take_turn(at_recipient=False)
        if mode is Mode.REJECT_451:
            return "451 4.3.0 try again later"
        self._mailbox.keep(
            envelope.mail_from or "", tuple(envelope.rcpt_tos), envelope.original_content or b""
        )
        if mode is Mode.DROP_AFTER_DATA:
            await _hang_up(server)
        if mode is Mode.HANG:
            await self._mailbox.behaviour_changed()
        return "250 2.0.0 kept"


async def _hang_up(server: SMTP) -> None:
    """Close without an answer. The library cancels the caller with its connection; it never goes on."""
    if isinstance(server.transport, asyncio.Transport):
        server.transport.abort()
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def smtp_running(
    mailbox: Mailbox,
    port: int = 0,
    *,
    host: str = LOOPBACK,
    tls_context: ssl.SSLContext | None = None,
    authenticator: AuthenticatorType | None = None,
) -> AsyncIterator[int]:
    """Listen on `host` for as long as the block runs, and give the port (0 takes a free one).

    With `tls_context` STARTTLS is required, with `authenticator` a login too. Raises OSError when the port
    is taken.
    """
    loop = asyncio.get_running_loop()
    connections: set[SMTP] = set()

    def connection() -> SMTP:
        smtp = SMTP(
            _Handler(mailbox),
            data_size_limit=MESSAGE_BYTES_MAX,
            enable_SMTPUTF8=True,
            hostname="mailcatcher.localhost",
            ident="Shanliu mail catcher",
            timeout=IDLE_SECONDS,
            tls_context=tls_context,
            require_starttls=tls_context is not None,
            authenticator=authenticator,
            auth_required=authenticator is not None,
            loop=loop,
        )
        connections.add(smtp)
        return smtp

    server = await loop.create_server(connection, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for smtp in connections:
            if isinstance(smtp.transport, asyncio.Transport):
                smtp.transport.abort()
