"""One connection to the mail server, used for many mails, and what each of its answers means."""

import socket
import ssl
import time
from typing import Final

from aiosmtplib import SMTP, SMTPException, SMTPResponseException, SMTPSenderRefused

from services.notification.couriers.ways import CourierUnavailable, Letter, MailLetter
from services.notification.delivery import Answer, Outcome
from services.notification.metrics import RELAY_FAILURES, RELAY_UP
from services.notification.settings import Settings

IDLE_CHECK_S: Final = 5.0
"""A connection unused for longer is asked whether it still lives before a mail is claimed for it."""
IDLE_CLOSE_S: Final = 30.0
QUIT_S: Final = 1.0
CLOSING_CODE: Final = 421
"""The server closes the connection (RFC 5321 3.8)."""


class Mailer:
    """The courier of mail: speaks SMTP for one worker. It counts a mail as given away from the moment the
    DATA command is sent: what happens after that and is not a clear answer, is doubt (RFC 1047), never a
    reason to send again.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sender = settings.sender.addr_spec
        self._tls = _tls_context(settings)
        self._smtp: SMTP | None = None
        self._mails = 0
        self._used_at = 0.0
        self._must_reset = False
        self.given_away = False

    async def ready(self) -> None:
        """Have a connection that lives. Raises CourierUnavailable."""
        try:
            if self._smtp is not None and not await self._still_good(self._smtp):
                await self.close()
            if self._smtp is None:
                self._smtp = await self._connect()
        except (SMTPException, OSError, ValueError) as error:
            self.drop()
            reason = _reason_of(error)
            RELAY_FAILURES.labels(reason).inc()
            RELAY_UP.set(0)
            raise CourierUnavailable(reason) from error
        RELAY_UP.set(1)

    async def _still_good(self, smtp: SMTP) -> bool:
        """Whether to go on with an open connection; what a refused mail left behind is cleared."""
        if not smtp.is_connected or self._mails >= self._settings.smtp_mails_per_connection:
            return False
        try:
            if self._must_reset:
                await smtp.rset()
            elif time.monotonic() - self._used_at > IDLE_CHECK_S:
                await smtp.noop()
        except (SMTPException, OSError):
            return False
        self._must_reset = False
        return True

    async def _connect(self) -> SMTP:
        settings = self._settings
        password = settings.smtp_password
        smtp = SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            local_hostname=socket.gethostname(),
            timeout=settings.smtp_command_timeout_s,
            use_tls=settings.smtp_tls,
            start_tls=settings.smtp_starttls,
            tls_context=self._tls,
            username=settings.smtp_username,
            password=password.get_secret_value() if password else None,
        )
        await smtp.connect()
        self._mails, self._must_reset = 0, False
        self._used_at = time.monotonic()
        return smtp

    async def send(self, letter: Letter, *, not_after_s: float) -> Answer:
        """Give one mail to the server; `ready` comes before. Never raises for what the server does.

        After `not_after_s` (monotonic clock) nothing is given away any more: a process that was frozen past
        its lease wakes up to a message that is no longer its own.
        """
        assert isinstance(letter, MailLetter)
        smtp = self._smtp
        if smtp is None:
            return Answer(Outcome.NOT_REACHED, "not_connected")
        self._mails += 1
        self.given_away = False
        try:
            await smtp.mail(self._sender)
            await smtp.rcpt(letter.recipient)
            if time.monotonic() > not_after_s:
                self.drop()
                return Answer(Outcome.NOT_REACHED, "lease_lost")
            self.given_away = True
            await smtp.data(letter.mail, timeout=self._settings.smtp_data_timeout_s)
        except (SMTPException, OSError) as error:
            answer = judge(error, given_away=self.given_away)
            self._after_failure(error)
            return answer
        finally:
            self._used_at = time.monotonic()
        return Answer(Outcome.ACCEPTED)

    def _after_failure(self, error: Exception) -> None:
        """A refusal leaves the connection good for the next mail; anything else ends it."""
        if isinstance(error, SMTPResponseException) and _is_refusal(error) and error.code != CLOSING_CODE:
            self._must_reset = True
        else:
            self.drop()

    async def close_if_idle(self) -> None:
        """Let go of a connection that nothing was sent over for a while."""
        if self._smtp is not None and time.monotonic() - self._used_at > IDLE_CLOSE_S:
            await self.close()

    async def close(self) -> None:
        """Take leave of the server (one second at most) and close the connection."""
        try:
            if self._smtp is not None and self._smtp.is_connected:
                await self._smtp.quit(timeout=QUIT_S)
        except (SMTPException, OSError):
            pass  # it is closed in any case
        finally:
            self.drop()

    def drop(self) -> None:
        """Close the connection without a word: in the middle of a dialogue QUIT would be taken for text."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            smtp.close()


def judge(error: SMTPException | OSError, *, given_away: bool) -> Answer:
    """What an error of the dialogue says of the mail (RFC 5321 4.2.1, RFC 1047).

    A refusal of the sender is this service's fault, not the recipient's, so it is not final: a wrong setting
    must not end every mail of an evening.
    """
    if isinstance(error, SMTPResponseException) and _is_refusal(error):
        final = error.code >= 500 and not isinstance(error, SMTPSenderRefused)
        return Answer(Outcome.REFUSED if final else Outcome.REFUSED_FOR_NOW, f"smtp_{error.code}")
    if given_away:
        return Answer(Outcome.UNKNOWN, "no_answer")
    return Answer(Outcome.NOT_REACHED, _reason_of(error))


def _is_refusal(error: SMTPResponseException) -> bool:
    return 400 <= error.code <= 599


def _reason_of(error: Exception) -> str:
    """A stable code without the server's words, which may hold an address."""
    if isinstance(error, SMTPResponseException):
        return f"smtp_{error.code}" if error.code > 0 else "bad_answer"
    if isinstance(error, TimeoutError):
        return "timed_out"
    if isinstance(error, ssl.SSLError):
        return "tls_failed"
    if isinstance(error, OSError):
        return "connection_lost"
    return "protocol_error"


def _tls_context(settings: Settings) -> ssl.SSLContext | None:
    if not (settings.smtp_tls or settings.smtp_starttls):
        return None
    return ssl.create_default_context(cafile=settings.smtp_ca_file)
