"""Short messages by Alibaba Cloud (Dysmsapi 2017-05-25, SendSms).

https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms and its error codes.
"""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from services.notification.couriers.provider import Provider, Unanswered, code_of
from services.notification.couriers.signing_acs3 import canonical_query, signed_headers
from services.notification.couriers.ways import Letter, SmsLetter
from services.notification.delivery import Answer, Outcome
from services.notification.settings import Settings

VERSION: Final = "2017-05-25"
FINAL: Final = frozenset(
    {
        "isv.MOBILE_NUMBER_ILLEGAL",
        "isv.MOBILE_COUNT_OVER_LIMIT",
        "isv.DOMESTIC_NUMBER_NOT_SUPPORTED",
        "isv.BLACK_KEY_CONTROL_LIMIT",
        "isv.PARAM_LENGTH_LIMIT",
        "isv.PARAM_NOT_SUPPORT_URL",
        "isv.TEMPLATE_MISSING_PARAMETERS",
        "isv.TEMPLATE_PARAMS_ILLEGAL",
        "isv.INVALID_JSON_PARAM",
    }
)
"""What is wrong with the number or the text and stays so. Every other refusal (no credit, a signature or a
template not approved yet, a limit, a right that is missing, their system) can be mended: tried again."""


class AliyunSms(Provider):
    """One worker's courier."""

    def __init__(self, settings: Settings) -> None:
        assert settings.aliyun_access_key_id is not None
        assert settings.aliyun_access_key_secret is not None
        super().__init__(settings.aliyun_sms_url, settings.provider_timeouts)
        self._key_id = settings.aliyun_access_key_id
        self._key_secret = settings.aliyun_access_key_secret
        self._sign_name = settings.sms_sign_name

    async def send(self, letter: Letter, *, not_after_s: float) -> Answer:
        """See Courier."""
        assert isinstance(letter, SmsLetter)
        query = canonical_query(
            {
                "PhoneNumbers": letter.phone,
                "SignName": self._sign_name,
                "TemplateCode": letter.template_id,
                "TemplateParam": json.dumps(dict(letter.parameters), ensure_ascii=False),
            }
        )
        headers = signed_headers(
            host=self.host,
            action="SendSms",
            version=VERSION,
            query=query,
            key_id=self._key_id,
            key_secret=self._key_secret.get_secret_value(),
            date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            nonce=uuid.uuid4().hex,
        )
        try:
            _, words = await self.post(f"/?{query}", headers=headers, body=b"", not_after_s=not_after_s)
        except Unanswered as error:
            return error.answer
        return judge(words)


def judge(words: Mapping[str, Any]) -> Answer:
    """What the provider's answer says of the message."""
    code = words.get("Code")
    if code == "OK":
        return Answer(Outcome.ACCEPTED, provider_id=code_of(words.get("BizId")))
    outcome = Outcome.REFUSED if code in FINAL else Outcome.REFUSED_FOR_NOW
    return Answer(outcome, f"aliyun:{code_of(code)}")
