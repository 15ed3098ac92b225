"""What a channel sends is checked at one edge: everything wrong has its own answer, and nothing gets by."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.donation.intake import (
    FROM_CHANNELS,
    INTERNAL,
    LOG_SKEW,
    MAX_BODY_BYTES,
    MAX_SKEW,
    DonationRequest,
    Message,
    Release,
    ReversalDue,
    ReversalRequest,
    Unusable,
    donation_id_of,
    parse,
    plain_donation,
    reversal_id_of,
)
from shared.money import MAX_AMOUNT_FEN
from shared.wrong_fields import MAX_ERRORS
from tests.services.donation.builders import MISSING, a_donation, a_donor, a_reversal

NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
A_UUID = "2f6c8b1e-7a55-5d0e-9c1f-0b6f3c9a4d21"


def body_of(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


def donation(**changes: Any) -> dict[str, Any]:
    return a_donation(**{"occurred_at": "2027-01-01T20:00:00+08:00", **changes})


def read(body: bytes, kinds: dict[object, type[Message]] = FROM_CHANNELS) -> Message:
    return parse(body, NOW, kinds)


def read_donation(**changes: Any) -> DonationRequest:
    message = read(body_of(donation(**changes)))
    assert isinstance(message, DonationRequest)
    return message


def refused(body: bytes, kinds: dict[object, type[Message]] = FROM_CHANNELS) -> Unusable:
    with pytest.raises(Unusable) as caught:
        parse(body, NOW, kinds)
    return caught.value


def refused_fields(body: bytes) -> list[str]:
    error = refused(body)
    assert error.code == "invalid-field", error.detail
    return [each["field"] for each in error.errors]


# ------------------------------------------------------------------------------------------ what is right


def test_a_complete_donation_is_read_as_it_was_sent() -> None:
    body = donation(
        transaction_id="4200001234.2027-01:A_b",
        amount_fen=MAX_AMOUNT_FEN,
        fee_fen=MAX_AMOUNT_FEN,
        message="加油 🎉",
        donor=a_donor(kind="company", display="alias", alias="小明", contact={"email": "a.b+c@example.cn"}),
    )
    message = read(body_of(body))
    assert isinstance(message, DonationRequest)
    assert message.model_dump(exclude_none=True, exclude={"occurred_at"}) == {
        **{key: value for key, value in body.items() if key != "occurred_at"},
        "type": "donation",
    }
    assert message.occurred_at == datetime(2027, 1, 1, 12, tzinfo=UTC)
    assert message.donor.shown_name == "小明"


@pytest.mark.parametrize(
    ("donor", "shown"),
    [
        (a_donor(display="name", name="王小明", alias="小明"), "王小明"),
        (a_donor(display="alias", name="王小明", alias="小明"), "小明"),
        (a_donor(display="anonymous", name="王小明", alias="小明"), None),
        (a_donor(display="anonymous", name=MISSING), None),
    ],
)
def test_only_what_the_donor_agreed_to_is_shown(donor: dict[str, Any], shown: str | None) -> None:
    assert read_donation(donor=donor).donor.shown_name == shown


@pytest.mark.parametrize("field", ["message", "fee_fen", "pledge_id"])
def test_an_optional_field_may_be_null_or_absent(field: str) -> None:
    without = donation(**{field: MISSING})
    assert read(body_of(without)) == read(body_of({**without, field: None}))


@pytest.mark.parametrize("name", ["contact", "alias"])
def test_an_optional_field_of_the_donor_may_be_null_or_absent(name: str) -> None:
    without = donation(donor=a_donor(**{name: MISSING}))
    assert read(body_of(without)) == read(body_of({**without, "donor": a_donor(**{name: None})}))


def test_the_id_of_a_pledge_is_read_in_either_case() -> None:
    assert read_donation(pledge_id=A_UUID).pledge_id == UUID(A_UUID)
    assert read_donation(pledge_id=A_UUID.upper()).pledge_id == UUID(A_UUID)


def test_a_body_without_a_type_is_a_donation() -> None:
    assert read(body_of(donation(type=MISSING))).type == "donation"
    assert read(body_of(donation(type="donation"))).type == "donation"


@pytest.mark.parametrize("kind", ["refund", "chargeback", "void"])
def test_a_reversal_is_read(kind: str) -> None:
    message = read(body_of(a_reversal("t-1", kind=kind, amount_fen=7, reason="退款")))
    assert isinstance(message, ReversalRequest)
    assert (message.transaction_id, message.kind, message.amount_fen) == ("t-1", kind, 7)


def test_our_own_records_are_read_on_our_own_topic_only() -> None:
    release = body_of({"type": "release", "donation_id": A_UUID})
    due = body_of({"type": "reversal_due", "reversal_id": A_UUID})
    assert read(release, INTERNAL) == Release(donation_id=UUID(A_UUID))
    assert read(due, INTERNAL) == ReversalDue(reversal_id=UUID(A_UUID))
    assert refused(release).code == refused(due).code == "unknown-type"
    assert refused(body_of(donation()), INTERNAL).code == "unknown-type"
    assert refused(body_of(a_reversal("t-1")), INTERNAL).code == "unknown-type"


@pytest.mark.parametrize(
    "name",
    [
        "王小明",
        "𠮷野家",  # outside the Basic Multilingual Plane
        "O'Brien-Smith Jr.",
        "José",
        "Jose\u0301",  # with a combining accent
        "爱心人士🌟",
        "👨\u200d👩\u200d👧",  # joined
        "☺\ufe0f",  # with a variation selector
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # with tags
        "محمد",
        "字" * 64,
    ],
)
def test_names_of_the_world_are_taken_as_they_are(name: str) -> None:
    donor = read_donation(donor=a_donor(display="alias", name=name, alias=name)).donor
    assert (donor.name, donor.alias) == (name, name)
    assert read_donation(message=name).message == name


def test_space_around_a_name_is_taken_off() -> None:
    assert read_donation(donor=a_donor(name="  王小明　\n")).donor.name == "王小明"


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("2027-01-01T20:00:00+08:00", datetime(2027, 1, 1, 12, tzinfo=UTC)),
        ("2027-01-01T12:00:00Z", datetime(2027, 1, 1, 12, tzinfo=UTC)),
        ("2027-01-01t12:00:00z", datetime(2027, 1, 1, 12, tzinfo=UTC)),
        ("2026-12-31T23:59:59.123456789-00:30", datetime(2027, 1, 1, 0, 29, 59, 123456, tzinfo=UTC)),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_are_kept_in_utc(sent: str, meant: datetime) -> None:
    """As the database gives them back: an event that is made again has the same bytes."""
    occurred_at = read_donation(occurred_at=sent).occurred_at
    assert occurred_at == meant
    assert occurred_at.utcoffset() == timedelta(0)
    assert occurred_at.tzinfo is UTC


def test_a_clock_may_be_five_minutes_ahead_and_no_more() -> None:
    edge = (NOW + MAX_SKEW).isoformat()
    beyond = (NOW + MAX_SKEW + timedelta(microseconds=1)).isoformat()
    assert read_donation(occurred_at=edge).occurred_at == NOW + MAX_SKEW
    assert refused_fields(body_of(donation(occurred_at=beyond))) == ["occurred_at"]
    assert refused_fields(body_of(a_reversal("t-1", occurred_at=beyond))) == ["occurred_at"]


def test_the_log_takes_whatever_a_slower_clock_let_in_over_http() -> None:
    """Else a donation could be answered 202 by the API's clock and refused by the broker's."""
    body = body_of(donation(occurred_at=(NOW + MAX_SKEW).isoformat()))
    broker_behind = NOW - timedelta(minutes=4)
    assert parse(body, broker_behind, FROM_CHANNELS, max_skew=LOG_SKEW) == read(body)
    far = body_of(donation(occurred_at=(NOW + LOG_SKEW + timedelta(seconds=1)).isoformat()))
    with pytest.raises(Unusable):
        parse(far, NOW, FROM_CHANNELS, max_skew=LOG_SKEW)


# ------------------------------------------------------------------------------------------ what is wrong

NOT_TEXT: list[Any] = [None, True, 0, 1.5, [], {}, ["t"]]
NOT_A_NUMBER: list[Any] = [None, True, False, "100", "一百", 100.0, 0.5, 1e99, [], {}]
BAD_TEXT = [
    "",
    " ",
    "\t\n",
    "王\u0000明",
    "王\u0007明",
    "王\u001b[31m明",
    "王\u007f明",
    "王\u0085明",
    "王\n明",
    "王\r\n明",
    "王\u2028明",
    "王\u2029明",
    "王\u202e明",  # right-to-left override
    "\u2066王\u2069",  # isolates
    "\u200e王",  # left-to-right mark
    "\u061c王",  # Arabic letter mark
    "王\u200b明",  # zero-width space
    "王\u2060明",  # word joiner
    "王\u00ad明",  # soft hyphen
    "\ufeff王",  # byte order mark
    "王\ufff9明",  # interlinear annotation
    "王\ue000明",  # private use
    "王\U0010ffff明",  # a noncharacter
    "王\u0378明",  # not assigned
    "\u200d",  # a joiner that joins nothing
    "\u3164",  # Hangul filler: a letter without ink
    "\u2800",  # a Braille pattern without dots
    "\u0301",  # an accent on nothing
    "\ud83d",  # an unpaired surrogate
    "王\udc00",
]
BAD_ID = [
    "",
    " ",
    "a b",
    "-a",
    ".a",
    "王",
    "a\n",
    "a/b",
    "a\u0000",
    "🎉",
    "a" * 65,
    "\ud800",
    "ａ",
    "a\u200b",
]
BAD_TIME = [
    "",
    "now",
    "2027-01-01",
    "2027-01-01T20:00:00",  # whose noon?
    "2027-01-01 20:00:00+08:00",
    "2027-01-01T20:00+08:00",
    "2027-01-01T20:00:00+0800",
    "2027-01-01T20:00:00+08:00\n",
    "2027-01-01T20:00:00.1234567890Z",
    "2027-02-29T12:00:00Z",
    "2027-13-01T12:00:00Z",
    "2027-01-01T24:00:00Z",
    "2027-01-01T12:00:60Z",
    "2027-01-01T12:00:00+99:99",
    "٢٠٢٧-01-01T12:00:00Z",  # digits, but not these
    "1999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+23:59",
    "2028-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-23:59",  # in UTC there is no such year
    "1767268800",
]
HUGE_INTEGER = 10**4000

WRONG: list[tuple[str, Any]] = [
    *(("transaction_id", value) for value in [MISSING, *NOT_TEXT, *BAD_ID]),
    *(("campaign_id", value) for value in [MISSING, *NOT_TEXT, *BAD_ID, "Gala", "gala 1"]),
    *(
        ("amount_fen", value)
        for value in [MISSING, *NOT_A_NUMBER, 0, -1, MAX_AMOUNT_FEN + 1, -(2**63), 2**63, HUGE_INTEGER]
    ),
    *(("currency", value) for value in [MISSING, *NOT_TEXT, "", "cny", "USD", "CNY ", "RMB", "¥"]),
    *(("occurred_at", value) for value in [MISSING, None, True, 1767268800, 1.5, [], {}, *BAD_TIME]),
    *(("message", value) for value in [True, 0, 1.5, [], {}, *BAD_TEXT, "字" * 201]),
    *(("fee_fen", value) for value in [True, "1", 1.0, [], {}, -1, MAX_AMOUNT_FEN + 1, 10_001, HUGE_INTEGER]),
    *(
        ("pledge_id", value)
        for value in [
            True,
            1,
            [],
            {},
            "",
            "17",
            A_UUID[:-1],
            f"{A_UUID} ",
            f"urn:uuid:{A_UUID}",
            f"{{{A_UUID}}}",
        ]
    ),
    *(("donor", value) for value in [MISSING, None, True, 1, "王小明", [], [a_donor()]]),
]
WRONG_DONOR: list[tuple[str, Any]] = [
    *(("kind", value) for value in [MISSING, *NOT_TEXT, "", "Person", "robot"]),
    *(("display", value) for value in [MISSING, *NOT_TEXT, "", "Name", "all"]),
    *(("name", value) for value in [True, 1, 1.5, [], {}, *BAD_TEXT, "字" * 65]),
    *(("alias", value) for value in [True, 1, 1.5, [], {}, *BAD_TEXT, "字" * 65]),
    *(("contact", value) for value in [True, 1, "a@b.cn", [], ["a@b.cn"]]),
]
WRONG_EMAIL: list[Any] = [
    *(value for value in NOT_TEXT if value is not None),
    "",
    "a",
    "@example.cn",
    "a@",
    "a@b",
    "a@@b.cn",
    "a b@example.cn",
    "a@exa mple.cn",
    "a@example..cn",
    "a@-example.cn",
    "a@example-.cn",
    "a@example.cn.",
    "a@example.cn\r\nBcc: all@example.cn",
    "a@example.cn, b@example.cn",
    "王@example.cn",
    "a@例子.中国",
    "a@127.0.0.1",
    "a@[127.0.0.1]",
    '"a"@example.cn',
    "a\u0000@example.cn",
    "a@example.cn\u200b",
    "\ud800@example.cn",
    "a" * 65 + "@example.cn",
    "a@" + "b" * 63 + "." + "b" * 63 + "." + "b" * 63 + "." + "b" * 63 + ".cn",
]


def shortly(value: Any) -> str:
    return ascii(value)[:40] if value is not MISSING else "missing"


def named(cases: list[tuple[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("field", "value"), cases, ids=[f"{field}-{shortly(value)}" for field, value in cases]
    )


@named(WRONG)
def test_a_wrong_field_is_refused_by_its_name(field: str, value: Any) -> None:
    assert refused_fields(body_of(donation(**{field: value}))) == [field]


@named(WRONG_DONOR)
def test_a_wrong_field_of_the_donor_is_refused_by_its_name(field: str, value: Any) -> None:
    fields = refused_fields(body_of(donation(donor=a_donor(**{field: value}))))
    assert fields == [f"donor.{field}"]


@pytest.mark.parametrize("value", WRONG_EMAIL, ids=shortly)
def test_a_wrong_address_is_refused_by_its_name(value: Any) -> None:
    field = "donor.contact.email"
    assert refused_fields(body_of(donation(donor=a_donor(contact={"email": value})))) == [field]


@pytest.mark.parametrize(
    "contact",
    [
        {},
        {"email": None},
        {"email": None, "phone": None, "wechat_openid": None},
        {"language": "zh"},
        {"email": "a@b.cn", "wechat_openid": "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"},
        {"email": "a@b.cn", "wechat_app_id": "wx0123456789abcdef"},
    ],
)
def test_a_contact_has_one_way_at_least_and_no_half_of_one(contact: dict[str, Any]) -> None:
    assert refused_fields(body_of(donation(donor=a_donor(contact=contact)))) == ["donor.contact"]


@pytest.mark.parametrize(
    "written", ["13812345678", "+8613812345678", "8613812345678", "008613812345678"], ids=shortly
)
def test_a_phone_is_kept_in_one_way_of_writing(written: str) -> None:
    contact = read_donation(donor=a_donor(contact={"phone": written, "language": "en"})).donor.contact
    assert contact is not None
    assert (contact.phone, contact.language, contact.email) == ("+8613812345678", "en", None)


def test_a_name_to_one_wechat_application_is_kept_with_it() -> None:
    given = {"wechat_openid": "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "wechat_app_id": "wx0123456789abcdef"}
    contact = read_donation(donor=a_donor(contact=given)).donor.contact
    assert contact is not None
    assert contact.model_dump(exclude_none=True) == given


WRONG_WAYS: list[tuple[str, Any]] = [
    *(("phone", value) for value in [True, 13812345678, [], "", "1381234567", "138123456789"]),
    *(("phone", value) for value in ["12812345678", "+85291234567", "051212345678", "+1 2025550123"]),
    *(("phone", value) for value in ["+86 13812345678\n", "１３８１２３４５６７８", "13812345678 "]),
    *(("wechat_openid", value) for value in [1, "", "short", "has blank ", "x" * 65, "名字名字名字"]),
    *(("wechat_app_id", value) for value in [1, "", "wx/../x", "x" * 65]),
    *(("language", value) for value in [1, "", "ZH", "zh-CN", "fr"]),
]


@named(WRONG_WAYS)
def test_a_wrong_way_is_refused_by_its_name(field: str, value: Any) -> None:
    contact = {"email": "a@b.cn", field: value}
    assert refused_fields(body_of(donation(donor=a_donor(contact=contact)))) == [f"donor.contact.{field}"]


def test_a_number_that_no_float_holds_is_refused() -> None:
    body = body_of(donation(amount_fen=1234567)).replace(b"1234567", b"1e400")
    assert refused_fields(body) == ["amount_fen"]


@pytest.mark.parametrize("display", ["name", "alias"])
@pytest.mark.parametrize("absent", [MISSING, None])
def test_what_is_to_be_shown_must_be_there(display: str, absent: Any) -> None:
    donor = a_donor(name="王小明", alias="小明") | {"display": display}
    donor = {key: value for key, value in donor.items() if key != display or absent is None}
    if absent is None:
        donor[display] = None
    assert refused_fields(body_of(donation(donor=donor))) == ["donor"]


REVERSAL_WRONG: list[tuple[str, Any]] = [
    *(("reversal_id", value) for value in [MISSING, *NOT_TEXT, *BAD_ID]),
    *(("transaction_id", value) for value in [MISSING, *NOT_TEXT, *BAD_ID]),
    *(("kind", value) for value in [MISSING, *NOT_TEXT, "", "Refund", "gift"]),
    *(("amount_fen", value) for value in [MISSING, *NOT_A_NUMBER, 0, -1, MAX_AMOUNT_FEN + 1, HUGE_INTEGER]),
    *(("occurred_at", value) for value in [MISSING, None, 1767268800, *BAD_TIME]),
    *(("reason", value) for value in [True, 0, 1.5, [], {}, *BAD_TEXT, "字" * 201]),
    *(("amount", value) for value in [1]),
]


@named(REVERSAL_WRONG)
def test_a_wrong_field_of_a_reversal_is_refused_by_its_name(field: str, value: Any) -> None:
    assert refused_fields(body_of(a_reversal("t-1", **{field: value}))) == [field]


@pytest.mark.parametrize("value", [MISSING, None, 1, "", "x", A_UUID + "0", [], "\ud800"], ids=shortly)
@pytest.mark.parametrize(("kind", "field"), [("release", "donation_id"), ("reversal_due", "reversal_id")])
def test_a_wrong_record_of_our_own_is_refused(kind: str, field: str, value: Any) -> None:
    message = {"type": kind} | ({} if value is MISSING else {field: value})
    error = refused(body_of(message), INTERNAL)
    assert error.code == "invalid-field"
    assert [each["field"] for each in error.errors] == [field]


@pytest.mark.parametrize(
    ("place", "named_as"),
    [
        ({"amount": 1}, "amount"),
        ({"donation_id": A_UUID}, "donation_id"),
        ({"sequence": 1}, "sequence"),
        ({"donor": a_donor(phone="13800000000")}, "donor.phone"),
        ({"donor": a_donor(contact={"email": "a@b.cn", "fax": "1"})}, "donor.contact.fax"),
    ],
)
def test_an_unknown_field_is_refused_by_its_name(place: dict[str, Any], named_as: str) -> None:
    assert refused_fields(body_of(donation(**place))) == [named_as]


@pytest.mark.parametrize("name", ["", "王小明", "13800000000", "a@b.cn", "\u0000", "a" * 200, "a\nb"])
def test_a_name_that_no_field_can_have_is_not_repeated(name: str) -> None:
    """It may be a donor's name or number, or what a database can't hold."""
    error = refused(body_of(donation(**{name: 1})))
    assert [each["field"] for each in error.errors] == ["?"]
    assert not name or name not in error.detail


@pytest.mark.parametrize(
    "value",
    ["王小明的秘密", "13800000000", "secret@example", "\u202e王小明"],
    ids=["name", "phone", "mail", "mark"],
)
def test_a_refusal_never_repeats_what_was_sent(value: str) -> None:
    fields = {
        **donation(),
        **dict.fromkeys(("transaction_id", "campaign_id", "currency", "occurred_at"), f"{value}/"),
        "message": f"{value}\u0000",
        "amount_fen": value,
        "donor": {
            "kind": value,
            "display": value,
            "name": f"{value}\u0000",
            "contact": {"email": f"{value} "},
        },
    }
    error = refused(body_of(fields))
    assert len(error.errors) == 10
    assert value not in json.dumps([error.detail, error.errors], ensure_ascii=False)


def test_every_wrong_field_is_named_up_to_a_bound() -> None:
    assert len(refused_fields(body_of({f"f{n}": 1 for n in range(1_000)}))) == MAX_ERRORS


@pytest.mark.parametrize("value", [None, 1, True, [], ["donation"], {}, "", "Donation", "release", "\ud800"])
def test_an_unknown_type_is_refused(value: Any) -> None:
    assert refused(body_of(donation(type=value))).code == "unknown-type"


# ------------------------------------------------------------------------------------- what is not JSON


def text(**changes: Any) -> str:
    return json.dumps(donation(**changes), ensure_ascii=False)


NESTED = 7_000
MALFORMED: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "space": lambda: b" \n",
    "truncated": lambda: text().encode()[:-1],
    "truncated in a character": lambda: text().encode().partition("明".encode())[0] + b"\xe6\x98",
    "trailing garbage": lambda: text().encode() + b"x",
    "two objects": lambda: text().encode() * 2,
    "a byte order mark": lambda: text().encode("utf-8-sig"),
    "UTF-16": lambda: text().encode("utf-16"),
    "UTF-16 without a mark": lambda: text().encode("utf-16-le"),
    "UTF-32": lambda: text().encode("utf-32"),
    "GBK": lambda: text().encode("gbk"),
    "a surrogate in UTF-8": lambda: text().encode().replace("王".encode(), b"\xed\xa0\x80"),
    "overlong UTF-8": lambda: text().encode().replace("王".encode(), b"\xc0\xaf"),
    "a raw NUL": lambda: text().encode() + b"\0",
    "a raw control character": lambda: text().encode().replace("王".encode(), b"\x01"),
    "NaN": lambda: text(amount_fen=float("nan")).encode(),
    "Infinity": lambda: text(amount_fen=float("inf")).encode(),
    "-Infinity": lambda: text(amount_fen=float("-inf")).encode(),
    "NaN where it is not read": lambda: text(extra=[{"a": float("nan")}]).encode(),
    "an integer of 5,000 digits": lambda: text(amount_fen="@").replace('"@"', "9" * 5_000).encode(),
    "a leading zero": lambda: text(amount_fen="@").replace('"@"', "0100").encode(),
    "hexadecimal": lambda: text(amount_fen="@").replace('"@"', "0x64").encode(),
    "single quotes": lambda: text().replace('"', "'").encode(),
    "a comment": lambda: b"/* */" + text().encode(),
    "a trailing comma": lambda: text()[:-1].encode() + b",}",
    "an array": lambda: b"[" + text().encode() + b"]",
    "null": lambda: b"null",
    "a number": lambda: b"1",
    "text": lambda: b'"donation"',
    "deep arrays": lambda: b"[" * NESTED + b"]" * NESTED,
    "deep objects": lambda: b'{"a":' * (NESTED // 4) + b"1" + b"}" * (NESTED // 4),
    "deep and never closed": lambda: b"[" * NESTED,
    "deep inside a field": lambda: text(extra="@").replace('"@"', "[" * NESTED + "]" * NESTED).encode(),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_not_json_is_refused(case: str) -> None:
    error = refused(MALFORMED[case]())
    assert error.code == "malformed-json"
    assert error.errors == ()


@pytest.mark.parametrize(
    "body",
    [
        '{"a": 1, "a": 1}',
        '{"a": 1, "\\u0061": 1}',
        text()[:-1] + ', "amount_fen": 1}',
        text().replace('"kind"', '"name": "李", "kind"'),
        text(extra="@").replace('"@"', '[{"b": {"a": 1, "a": 2}}]'),
    ],
    ids=["flat", "escaped", "amount", "donor", "deep"],
)
def test_a_key_that_stands_twice_is_refused(body: str) -> None:
    """Readers differ in which of the two they take: the signature would cover both."""
    assert refused(body.encode()).code == "duplicate-key"


def test_the_largest_body_is_read_and_one_byte_more_is_not() -> None:
    body = body_of(donation())
    largest = body + b" " * (MAX_BODY_BYTES - len(body))
    assert read(largest) == read(body)
    assert refused(largest + b" ").code == "too-large"
    assert refused(b"\xff" * 10_000_000).code == "too-large"


# -------------------------------------------------------------------------------------------- what holds

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [*DonationRequest.model_fields, *ReversalRequest.model_fields]
messages = st.builds(
    lambda base, changes: {**base, **changes},
    st.sampled_from([donation(), a_reversal("t-1")]),
    st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), json_values, max_size=3),
)
bodies = (
    st.binary(max_size=400)
    | messages.map(body_of)
    | st.tuples(messages.map(body_of), st.integers(0, 400), st.binary(max_size=4)).map(
        lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] :]
    )
)
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(body=bodies, received_at=moments)
@example(body=b"", received_at=NOW)
@example(body=body_of(donation()), received_at=datetime.max.replace(tzinfo=UTC))
@example(body=body_of(donation()), received_at=datetime.min.replace(tzinfo=UTC))
def test_any_bytes_are_a_message_or_unusable_and_always_the_same(body: bytes, received_at: datetime) -> None:
    first = outcome(body, received_at)
    assert outcome(body, received_at) == first
    if isinstance(first, tuple):
        said = json.dumps(first, ensure_ascii=False)
        assert "\\u0000" not in said, "no database can hold it"
        assert said.encode(), "no log can write it"


read_from_log = partial(parse, kinds=FROM_CHANNELS, max_skew=LOG_SKEW)


def outcome(
    body: bytes, received_at: datetime, way: Callable[[bytes, datetime], Message | None] = read_from_log
) -> Message | tuple[Any, ...] | None:
    try:
        return way(body, received_at)
    except Unusable as error:
        return error.code, error.detail, error.errors


as_written = st.sampled_from(
    [
        {},
        {"separators": (",", ":")},
        {"separators": (",", " : ")},
        {"indent": 1},
        {"ensure_ascii": False},
        {"sort_keys": True},
    ]
)
twice = st.sampled_from(
    ["", '"amount_fen":7,', '"amount_fen" :7,', '"currency"\n:"CNY",', '"type":"donation",']
)


@given(message=messages, options=as_written, more=twice)
@example(message=donation(message='a":b'), options={}, more="")
@example(message=donation(), options={}, more='"amount_fen" :7,')
def test_a_donation_is_read_the_quick_way_as_the_long_one(
    message: dict[str, Any], options: dict[str, Any], more: str
) -> None:
    body = json.dumps(message, **options).replace("{", "{" + more, 1).encode()
    quick = outcome(body, NOW, partial(plain_donation, max_skew=LOG_SKEW))
    assert quick is None or quick == outcome(body, NOW)


def test_a_usual_donation_is_read_the_quick_way() -> None:
    """As JSON libraries write it. Two equal keys, a blank behind a key or a quote in a text are unusual."""
    usual = donation()
    assert plain_donation(json.dumps(usual).encode(), NOW) == read(body_of(usual))
    assert plain_donation(json.dumps(usual, separators=(",", ":")).encode(), NOW) is not None
    assert plain_donation(json.dumps(usual, separators=(",", " : ")).encode(), NOW) is None
    assert plain_donation(body_of(donation(message='say "this": yes')), NOW) is None
    assert plain_donation(body_of(usual).replace(b"{", b'{"amount_fen":7,', 1), NOW) is None


@given(body=bodies)
def test_what_was_read_can_be_written_and_read_again(body: bytes) -> None:
    try:
        message = read(body)
    except Unusable:
        return
    assert read(message.model_dump_json(exclude_none=True).encode()) == message


def test_ids_are_derived_from_the_channel_and_its_own_id() -> None:
    assert donation_id_of("wechat", "t-1") == donation_id_of("wechat", "t-1")
    assert isinstance(donation_id_of("wechat", "t-1"), UUID)
    assert donation_id_of("wechat", "t-1") == UUID("f04f276c-aa95-5c0e-97a2-656eb8d53d60")
    ids = {
        donation_id_of("wechat", "t-1"),
        donation_id_of("alipay", "t-1"),
        donation_id_of("wechat", "t-2"),
        reversal_id_of("wechat", "t-1"),
        reversal_id_of("alipay", "t-1"),
    }
    assert len(ids) == 5


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"amount_fen": "12.50"}, "amount_fen: must be a whole number"),
        ({"amount_fen": 0}, "amount_fen: must be at least 1"),
        ({"currency": "USD"}, "currency: must be one of: 'CNY'"),
        ({"transaction_id": "王小明"}, "transaction_id: must be 1 to 64 of A-Z, a-z, 0-9 and . _ : -"),
        ({"campaign_id": "Gala 2027"}, "campaign_id: must be 1 to 64 of a-z, 0-9 and . _ -"),
        ({"occurred_at": "2027-01-01"}, "occurred_at: must be an RFC 3339 time with its offset, such as"),
        ({"donor": "王小明"}, "donor: must be an object"),
        (
            {"donor": {"kind": "person", "display": "name", "name": "\u202e"}},
            "donor.name: must be one line of",
        ),
        ({"message": 7}, "message: must be text"),
        ({"message": "字" * 201}, "message: must have at most 200 characters"),
        ({"amount": 1}, "amount: is not a field that is known here"),
    ],
)
def test_what_is_wrong_is_said_in_words_of_ours(changes: dict[str, Any], told: str) -> None:
    error = refused(body_of(donation(**changes)))
    assert error.detail.startswith(told)
    assert "王小明" not in error.detail.partition("such as")[0]
