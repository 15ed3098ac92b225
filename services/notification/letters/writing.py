"""A message as the provider takes it: of a donation, to its donor's address, in an operator's words."""

import re
from datetime import datetime
from typing import Final
from uuid import UUID

from services.notification.addresses import BadAddress, deliverable
from services.notification.claims import Claimed
from services.notification.couriers import mime
from services.notification.couriers.ways import Letter, MailLetter, SmsLetter, Way, WechatLetter
from services.notification.letters.contents import (
    UNSUBSCRIBE,
    Language,
    MailContent,
    SmsContent,
    WechatContent,
    as_html,
    filled,
    sms_parameters,
    values_of,
    wechat_data,
)
from services.notification.settings import Settings
from services.notification.thanks import DONATION_HEADER, Envelope, Thanks, compose, mail_head, message_id

_PHONE: Final = re.compile(r"\+861[3-9][0-9]{9}")


def written(claimed: Claimed, settings: Settings, now: datetime) -> Letter:
    """The message of a donation. Raises BadAddress when nothing can be sent to its address."""
    if claimed.way is Way.MAIL:
        recipient = deliverable(claimed.address)
        token = settings.addressees.token_of(settings.addressees.hash_of(Way.MAIL, claimed.address))
        envelope = Envelope(settings.sender, recipient, now, f"{settings.address}/unsubscribe/{token}")
        if claimed.template is None:
            return MailLetter(recipient, compose(claimed.thanks, envelope))
        content, language = claimed.template.content, claimed.template.language
        assert isinstance(content, MailContent)
        return MailLetter(recipient, mail_of(content, claimed.thanks, language, envelope))
    assert claimed.template is not None
    content, values = claimed.template.content, values_of(claimed.thanks, claimed.template.language)
    if claimed.way is Way.SMS:
        assert isinstance(content, SmsContent)
        return sms_of(content, values, claimed.address)
    assert isinstance(content, WechatContent)
    return wechat_of(content, values, claimed.address)


def mail_of(
    content: MailContent,
    thanks: Thanks,
    language: Language,
    envelope: Envelope,
    mail_id: UUID | None = None,
) -> bytes:
    """An operator's mail, filled in. `mail_id`: another than the donation's own, for a test."""
    values = {**values_of(thanks, language), UNSUBSCRIBE: envelope.unsubscribe}
    subject = filled(content.subject, values)
    tongue = "zh-CN" if language == "zh" else "en"
    head = mail_head(envelope, subject, tongue, mail_id or message_id(thanks.donation_id))
    return mime.mail(
        {**head, DONATION_HEADER: str(thanks.donation_id)},
        text=filled(content.text, values),
        html=as_html(content.text, values, language),
    )


def sms_of(content: SmsContent, values: dict[str, str], phone: str) -> SmsLetter:
    """An approved template with its parameters. Raises BadAddress."""
    if not _PHONE.fullmatch(phone):
        raise BadAddress("not a mobile of mainland China")
    return SmsLetter(phone, content.template_id, sms_parameters(content, values))


def wechat_of(content: WechatContent, values: dict[str, str], openid: str) -> WechatLetter:
    """A template's fields, filled in."""
    return WechatLetter(
        openid,
        content.app_id,
        content.template_id,
        wechat_data(content, values),
        subscribe=content.kind == "subscribe",
        url=content.url,
    )
