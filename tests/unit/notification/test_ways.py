"""One donation is thanked by one way: the first that is set up and that its donor can be reached by."""

from typing import Any
from uuid import UUID

import pytest

from services.notification.couriers.callbacks import objects_in
from services.notification.couriers.ways import Way, way_of
from services.notification.delivery import Readiness, wanted
from services.notification.sms_reports import Report, reports_in
from services.notification.unsubscribing import ending
from tests.services.notification.builders import contact

APP = "wx0123456789abcdef"
OPENID = {"wechat_openid": "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "wechat_app_id": APP}
PHONE = {"phone": "+8613812345678"}
NO_MAIL = {"email": None}
ALL = (Way.MAIL, Way.WECHAT, Way.SMS)


@pytest.mark.parametrize(
    ("left", "ways", "chosen"),
    [
        ({**PHONE, **OPENID}, ALL, Way.MAIL),
        ({**PHONE, **OPENID}, (Way.SMS, Way.MAIL), Way.SMS),
        ({**PHONE, **OPENID, **NO_MAIL}, ALL, Way.WECHAT),
        ({**PHONE, **NO_MAIL}, ALL, Way.SMS),
        ({**PHONE, **NO_MAIL}, (Way.MAIL,), None),
        ({**OPENID, "wechat_app_id": "another", **NO_MAIL}, ALL, None),
        ({**OPENID, "wechat_app_id": "another", **PHONE, **NO_MAIL}, ALL, Way.SMS),
    ],
)
def test_the_first_way_there_is_chosen(
    left: dict[str, Any], ways: tuple[Way, ...], chosen: Way | None
) -> None:
    assert way_of(contact(UUID(int=1), **left), ways, [APP]) is chosen


@pytest.mark.parametrize(
    ("unsubscribed", "messages_today", "begun", "verdict"),
    [
        (False, 0, False, Readiness.SEND),
        (False, 2, False, Readiness.SEND),
        (False, 3, False, Readiness.ENOUGH),
        (False, 3, True, Readiness.SEND),
        (True, 0, False, Readiness.UNWANTED),
        (True, 3, True, Readiness.UNWANTED),
    ],
)
def test_nobody_gets_more_than_they_want(
    *, unsubscribed: bool, messages_today: int, begun: bool, verdict: Readiness
) -> None:
    found = wanted(unsubscribed=unsubscribed, messages_today=messages_today, daily_limit=3, begun=begun)
    assert found is verdict


@pytest.mark.parametrize(
    ("replies", "phones"),
    [
        ([{"phone_number": "13812345678", "content": "TD", "sign_name": "善流"}], ["+8613812345678"]),
        ([{"phone_number": "13812345678", "content": " td "}], ["+8613812345678"]),
        ([{"phone_number": "13812345678", "content": "谢谢"}], []),
        (
            {"mobile": "13812345678", "nationcode": "86", "text": "退订", "time": 1457336869},
            ["+8613812345678"],
        ),
        ({"mobile": "+8613812345678", "text": "T"}, ["+8613812345678"]),
        ({"mobile": "0512-1234", "text": "T"}, []),
        ([1, None, {}, {"content": "TD"}, {"phone_number": "13812345678", "content": 1}], []),
        ("TD", []),
    ],
)
def test_an_answer_that_ends_messages_is_understood(replies: Any, phones: list[str]) -> None:
    assert ending(objects_in(replies)) == phones


@pytest.mark.parametrize(
    ("said", "reports"),
    [
        (
            {"biz_id": "9^0", "success": True, "err_code": "DELIVERED"},
            [Report("9^0", arrived=True, code="DELIVERED")],
        ),
        (
            {"sid": "s-1", "report_status": "FAIL", "errmsg": "MK:1"},
            [Report("s-1", arrived=False, code="MK:1")],
        ),
        ({"sid": "s-1", "report_status": "LATER", "errmsg": "MK:1"}, []),
        ({"sid": "not an id \0", "report_status": "FAIL"}, []),
        ({"success": True}, []),
    ],
    ids=["aliyun", "tencent", "says-neither", "no-id-of-ours", "no-id"],
)
def test_a_report_is_understood(said: dict[str, Any], reports: list[Report]) -> None:
    assert reports_in([said]) == reports
