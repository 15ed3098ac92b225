"""Short messages by Tencent Cloud (sms 2021-01-11, SendSms).

https://cloud.tencent.com/document/api/382/55981 and its list of error codes.
"""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from services.notification.couriers.provider import Provider, Unanswered, code_of
from services.notification.couriers.signing_tc3 import Call, signed_headers
from services.notification.couriers.ways import Letter, SmsLetter
from services.notification.delivery import Answer, Outcome
from services.notification.settings import Settings

VERSION: Final = "2021-01-11"
FINAL: Final = frozenset(
    {
        "FailedOperation.ContainSensitiveWord",
        "FailedOperation.PhoneNumberInBlacklist",
        "FailedOperation.TemplateParamSetNotMatchApprovedTemplate",
        "InvalidParameterValue.ContentLengthLimit",
        "InvalidParameterValue.IncorrectPhoneNumber",
        "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter",
        "InvalidParameterValue.TemplateParameterFormatError",
        "InvalidParameterValue.TemplateParameterLengthLimit",
        "UnsupportedOperation.ContainDomesticAndInternationalPhoneNumber",
        "UnsupportedOperation.UnsupportedRegion",
    }
)
"""What is wrong with the number or the text and stays so; every other refusal can be mended."""
DOUBTFUL: Final = frozenset({"InternalError.SendAndRecvFail", "InternalError.Timeout"})
"""Their own parts did not hear from each other: the message may be on its way."""


class TencentSms(Provider):
    """One worker's courier."""

    def __init__(self, settings: Settings) -> None:
        assert settings.tencent_secret_id is not None
        assert settings.tencent_secret_key is not None
        super().__init__(settings.tencent_sms_url, settings.provider_timeouts)
        self._settings = settings
        self._secret_id = settings.tencent_secret_id
        self._secret_key = settings.tencent_secret_key

    async def send(self, letter: Letter, *, not_after_s: float) -> Answer:
        """See Courier."""
        assert isinstance(letter, SmsLetter)
        said = {
            "PhoneNumberSet": [letter.phone],
            "SmsSdkAppId": self._settings.tencent_sms_sdk_app_id,
            "SignName": self._settings.sms_sign_name,
            "TemplateId": letter.template_id,
            "TemplateParamSet": [value for _, value in letter.parameters],
        }
        body = json.dumps(said, ensure_ascii=False).encode()
        headers = signed_headers(
            Call("sms", "SendSms", VERSION, self._settings.tencent_sms_region),
            host=self.host,
            body=body,
            secret_id=self._secret_id,
            secret_key=self._secret_key.get_secret_value(),
            timestamp=int(time.time()),
        )
        try:
            _, words = await self.post("/", headers=headers, body=body, not_after_s=not_after_s)
        except Unanswered as error:
            return error.answer
        return judge(words)


def judge(words: Mapping[str, Any]) -> Answer:
    """What the provider's answer says of the one message that was sent."""
    response = words.get("Response")
    if not isinstance(response, dict):
        return Answer(Outcome.UNKNOWN, "bad_answer")
    error, statuses = response.get("Error"), response.get("SendStatusSet")
    said = error if isinstance(error, dict) else None
    if said is None and isinstance(statuses, list) and len(statuses) == 1 and isinstance(statuses[0], dict):
        said = statuses[0]
    if said is None:
        return Answer(Outcome.UNKNOWN, "bad_answer")
    code = said.get("Code")
    if code == "Ok" and error is None:
        return Answer(Outcome.ACCEPTED, provider_id=code_of(said.get("SerialNo")))
    if code in DOUBTFUL:
        return Answer(Outcome.UNKNOWN, f"tencent:{code}")
    outcome = Outcome.REFUSED if code in FINAL else Outcome.REFUSED_FOR_NOW
    return Answer(outcome, f"tencent:{code_of(code)}")
