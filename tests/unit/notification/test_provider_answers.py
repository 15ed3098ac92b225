"""What each provider's answer says of a message: taken, refused for good, later, or in doubt."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from services.notification.couriers import sms_aliyun, sms_tencent, wechat
from services.notification.couriers.provider import code_of
from services.notification.delivery import Answer, Outcome

LATER, FINAL, DOUBT = Outcome.REFUSED_FOR_NOW, Outcome.REFUSED, Outcome.UNKNOWN


def status(code: str) -> dict[str, Any]:
    """As Tencent Cloud says it of one number."""
    said = {"SerialNo": "5000:1045710669157053657849499619", "PhoneNumber": "+8613812345678", "Code": code}
    return {"Response": {"SendStatusSet": [said], "RequestId": "a0aabda6"}}


def error(code: str) -> dict[str, Any]:
    """As Tencent Cloud says it of the whole request."""
    return {"Response": {"Error": {"Code": code, "Message": "+8613812345678"}, "RequestId": "a0aabda6"}}


WORDLESS: list[dict[str, Any]] = [
    {},
    {"Response": {}},
    {"Response": {"SendStatusSet": []}},
    {"Response": "Ok"},
]
Judge = Callable[[Mapping[str, Any]], Answer]
ANSWERS: list[tuple[Judge, dict[str, Any], Answer]] = [
    (
        sms_aliyun.judge,
        {"Code": "OK", "Message": "OK", "BizId": "900619746936498440^0", "RequestId": "F655A8D5"},
        Answer(Outcome.ACCEPTED, provider_id="900619746936498440^0"),
    ),
    (sms_aliyun.judge, {"Code": "OK", "BizId": "134523"}, Answer(Outcome.ACCEPTED, provider_id="134523")),
    (
        sms_aliyun.judge,
        {"Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "13812345678"},
        Answer(FINAL, "aliyun:isv.MOBILE_NUMBER_ILLEGAL"),
    ),
    *(
        (sms_aliyun.judge, {"Code": code}, Answer(LATER, f"aliyun:{code}"))
        for code in (
            "isv.BUSINESS_LIMIT_CONTROL",
            "isv.AMOUNT_NOT_ENOUGH",
            "isp.SYSTEM_ERROR",
            "Throttling.User",
        )
    ),
    (sms_aliyun.judge, {"Code": "call 13812345678"}, Answer(LATER, "aliyun:unreadable_code")),
    (
        sms_tencent.judge,
        status("Ok"),
        Answer(Outcome.ACCEPTED, provider_id="5000:1045710669157053657849499619"),
    ),
    (
        sms_tencent.judge,
        status("FailedOperation.PhoneNumberInBlacklist"),
        Answer(FINAL, "tencent:FailedOperation.PhoneNumberInBlacklist"),
    ),
    (
        sms_tencent.judge,
        status("LimitExceeded.PhoneNumberDailyLimit"),
        Answer(LATER, "tencent:LimitExceeded.PhoneNumberDailyLimit"),
    ),
    (
        sms_tencent.judge,
        error("AuthFailure.SignatureFailure"),
        Answer(LATER, "tencent:AuthFailure.SignatureFailure"),
    ),
    (sms_tencent.judge, error("InternalError.Timeout"), Answer(DOUBT, "tencent:InternalError.Timeout")),
    (sms_tencent.judge, error("Ok"), Answer(LATER, "tencent:Ok")),
    *((sms_tencent.judge, words, Answer(DOUBT, "bad_answer")) for words in WORDLESS),
    (
        wechat.judge,
        {"errcode": 0, "errmsg": "ok", "msgid": 200228332},
        Answer(Outcome.ACCEPTED, None, "200228332"),
    ),
    (wechat.judge, {"errcode": 0, "errmsg": "ok"}, Answer(Outcome.ACCEPTED)),
    *(
        (wechat.judge, {"errcode": code}, Answer(FINAL, f"wechat:{code}"))
        for code in (40003, 43004, 43101, 47003)
    ),
    *(
        (wechat.judge, {"errcode": code}, Answer(LATER, f"wechat:{code}"))
        for code in (-1, 40037, 45009, 40001)
    ),
    (wechat.judge, {}, Answer(DOUBT, "bad_answer")),
    (wechat.judge, {"errcode": "0"}, Answer(DOUBT, "bad_answer")),
]


@pytest.mark.parametrize(("judge", "words", "answer"), ANSWERS, ids=[str(n) for n in range(len(ANSWERS))])
def test_an_answer_is_understood(judge: Judge, words: dict[str, Any], answer: Answer) -> None:
    assert judge(words) == answer


@pytest.mark.parametrize("code", ["", "to 13812345678", "x" * 65, "a\nb", "中"])
def test_what_is_no_code_is_not_kept(code: str) -> None:
    assert code_of(code) == "unreadable_code"
