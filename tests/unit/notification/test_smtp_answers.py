"""What each thing that can go wrong in the SMTP dialogue says of the mail."""

import ssl

import pytest
from aiosmtplib import (
    SMTPDataError,
    SMTPException,
    SMTPReadTimeoutError,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

from services.notification.couriers.mailer import judge
from services.notification.delivery import Answer, Outcome

WORDS = "5.1.1 <zhang@example.com> unknown"


@pytest.mark.parametrize(
    ("error", "given_away", "answer"),
    [
        (SMTPRecipientRefused(550, WORDS, "zhang@example.com"), False, (Outcome.REFUSED, "smtp_550")),
        (SMTPRecipientRefused(450, WORDS, "zhang@example.com"), False, (Outcome.REFUSED_FOR_NOW, "smtp_450")),
        (SMTPDataError(451, WORDS), True, (Outcome.REFUSED_FOR_NOW, "smtp_451")),
        (SMTPDataError(421, WORDS), True, (Outcome.REFUSED_FOR_NOW, "smtp_421")),
        (SMTPDataError(552, WORDS), True, (Outcome.REFUSED, "smtp_552")),
        # A wrong SMTP_FROM must not end every mail of an evening.
        (SMTPSenderRefused(550, WORDS, "thanks@example.com"), False, (Outcome.REFUSED_FOR_NOW, "smtp_550")),
        (SMTPServerDisconnected("lost"), False, (Outcome.NOT_REACHED, "connection_lost")),
        (SMTPReadTimeoutError("slow"), False, (Outcome.NOT_REACHED, "timed_out")),
        (SMTPResponseException(-1, WORDS), False, (Outcome.NOT_REACHED, "bad_answer")),
        (SMTPException(WORDS), False, (Outcome.NOT_REACHED, "protocol_error")),
        (ssl.SSLError("bad"), False, (Outcome.NOT_REACHED, "tls_failed")),
        (SMTPServerDisconnected("lost"), True, (Outcome.UNKNOWN, "no_answer")),
        (SMTPReadTimeoutError("slow"), True, (Outcome.UNKNOWN, "no_answer")),
        (ConnectionResetError(), True, (Outcome.UNKNOWN, "no_answer")),
        # Neither a yes nor a no: 2xx that is not 250, an answer that can't be read.
        (SMTPDataError(252, WORDS), True, (Outcome.UNKNOWN, "no_answer")),
        (SMTPResponseException(-1, WORDS), True, (Outcome.UNKNOWN, "no_answer")),
    ],
)
def test_the_answer_is_judged_without_the_server_s_words(
    *, error: SMTPException | OSError, given_away: bool, answer: tuple[Outcome, str]
) -> None:
    assert judge(error, given_away=given_away) == Answer(*answer)
