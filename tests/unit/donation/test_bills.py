"""Bills as the channels give them, read line by line; and what a whole bill must be."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.donation.reconciliation.bill_formats import Format, read_bill, read_by_profile
from services.donation.reconciliation.bill_lines import BillLine, BillUnusable, require_whole
from services.donation.reconciliation.days import DayNotOver, bounds_of, day_of, last_due, require_over
from services.donation.statements.profiles import Profile
from tests.services.donation.bills import ALIPAY, WECHATPAY, plain_bill, wechatpay_bill

DAY = date(2027, 1, 17)


def test_a_bill_of_wechat_pay_is_read_with_its_refunds_and_fees() -> None:
    lines = [line for _, line in read_bill(WECHATPAY, "wechatpay")]
    assert lines == [
        BillLine(
            "payment",
            "4200002089202701175478901234",
            8_800,
            datetime(2027, 1, 17, 12, 3, 11, tzinfo=UTC),
            53,  # 0.52800 yuan: half up
            said="c:gala-2027;n:王小明;d:n",
        ),
        BillLine(
            "payment", "4200002089202701175478901235", 1, datetime(2027, 1, 17, 12, 3, 12, tzinfo=UTC), 0
        ),
        BillLine(
            "refund",
            "4200002089202701175478901234",
            3_000,
            datetime(2027, 1, 17, 15, 59, 59, tzinfo=UTC),
            -18,
            "50300602072027011740000000001",
        ),
    ]


def test_a_bill_of_alipay_is_read_with_its_refunds_and_fees() -> None:
    lines = [line for _, line in read_bill(ALIPAY, "alipay")]
    assert lines == [
        BillLine(
            "payment", "2027011722001458860515315453", 2_000, datetime(2027, 1, 17, 2, 55, 23, tzinfo=UTC), 12
        ),
        BillLine(
            "refund",
            "2027011722001458860515315453",
            500,
            datetime(2027, 1, 17, 2, 56, 48, tzinfo=UTC),
            -3,
            "re_1568602607356",
        ),
    ]


def test_a_shop_s_own_words_in_a_bill_may_have_commas() -> None:
    (line,) = [
        line for _, line in read_bill(wechatpay_bill(("4200000000000000000000000001", "1.00")), "wechatpay")
    ]
    assert line.amount_fen == 100


@pytest.mark.parametrize(
    ("content", "form", "says"),
    [
        (b"\xff\xfe", "plain", "not text in utf-8"),
        (b"", "plain", "no column transaction_id"),
        (b"a,b\n", "plain", "no column transaction_id"),
        (b"a,b\n", "wechatpay", "ends before its sums"),
        (WECHATPAY[: WECHATPAY.index("总交易单数".encode())], "wechatpay", "ends before its sums"),
        (WECHATPAY.replace("订单金额".encode(), b"x"), "wechatpay", "no column"),
        (WECHATPAY.replace(b"SUCCESS", b"PAYING"), "wechatpay", "line 2: 交易状态"),
        (
            WECHATPAY.replace(b"`88.00,`0.00,`\r\n", b"`88.001,`0.00,`\r\n"),
            "wechatpay",
            "line 2: 订单金额 is finer",
        ),
        (WECHATPAY.replace(b"2027-01-17 20:03:11", b"2027-02-30 20:03:11"), "wechatpay", "line 2: 交易时间"),
        (
            ALIPAY.replace("交易\t".encode("gb18030"), "分润\t".encode("gb18030")),
            "alipay",
            "line 6: 业务类型",
        ),
        (ALIPAY[: ALIPAY.rindex(b"#---")], "alipay", "closing lines"),
        ("支付宝".encode(), "alipay", "gb18030"),
        (plain_bill(("t 1", 100)), "plain", "line 2: transaction_id"),
        (plain_bill(("t-1", 0)), "plain", "line 2: amount_fen"),
        (plain_bill(("t-1", 10**13 + 1)), "plain", "line 2: amount_fen"),
        (plain_bill(("t-1", 100)).replace(b"payment", b"gift"), "plain", "line 2: kind"),
        (plain_bill(("t-1", 100)).replace(b"+08:00", b""), "plain", "line 2: occurred_at"),
    ],
    ids=range(17),
)
def test_a_bill_that_is_not_whole_is_refused_with_its_line(content: bytes, form: Format, says: str) -> None:
    with pytest.raises(BillUnusable, match=says):
        read_bill(content, form)


def test_the_lines_that_are_wrong_are_told_but_not_all_of_a_wrong_file() -> None:
    with pytest.raises(BillUnusable) as refused:
        read_bill(plain_bill(*((f"t {n}", 100) for n in range(50))), "plain")
    lines = refused.value.facts["lines"]
    assert isinstance(lines, list)
    assert len(lines) == 20
    assert "t 1" not in str(lines), "never the content"


def test_a_bill_of_another_day_or_with_a_payment_twice_is_refused() -> None:
    lines = read_bill(WECHATPAY, "wechatpay")
    assert len(require_whole(lines, "wechat", DAY)) == 3
    with pytest.raises(BillUnusable, match="line 2: is of 2027-01-17"):
        require_whole(lines, "wechat", date(2027, 1, 18))
    with pytest.raises(BillUnusable, match="line 9: the same payment as line 2"):
        require_whole([*lines, (9, lines[0][1])], "wechat", DAY)


def test_a_refund_may_stand_in_a_bill_with_the_time_of_its_order() -> None:
    lines = [line for line in read_bill(WECHATPAY, "wechatpay") if line[1].kind == "refund"]
    assert require_whole(lines, "wechat", date(2027, 1, 18))
    with pytest.raises(BillUnusable):
        require_whole(lines, "wechat", date(2027, 1, 16))


PROFILE = Profile.model_validate(
    {
        "transaction_id": "流水号",
        "amount": {"column": "金额"},
        "time": {"columns": ["时间"]},
        "campaign": {"otherwise": "one-day-drive"},
        "refunds": {
            "when": {"column": "金额", "is_negative": True},
            "original": "原流水号",
            "own_id": "流水号",
        },
    }
)


def test_a_bank_s_own_file_is_a_bill_by_the_channel_s_profile() -> None:
    now = datetime(2027, 1, 18, tzinfo=UTC)
    heading = "流水号,金额,时间,原流水号\n"
    rows = "B1,88.00,2027-01-17 20:00:00,\nB2,-8.00,2027-01-17 20:01:00,B1\n"
    at = datetime(2027, 1, 17, 12, tzinfo=UTC)
    assert read_by_profile((heading + rows).encode("gb18030"), PROFILE, now) == [
        (2, BillLine("payment", "B1", 8_800, at, campaign_id="one-day-drive")),
        (3, BillLine("refund", "B1", 800, at + timedelta(minutes=1), reversal_id="B2")),
    ]
    with pytest.raises(BillUnusable, match="line 2: 金额"):
        read_by_profile((heading + rows.replace("88.00", "88.001")).encode(), PROFILE, now)


def test_a_day_is_shanghai_s() -> None:
    starts, ends = bounds_of(DAY)
    assert (starts, ends) == (datetime(2027, 1, 16, 16, tzinfo=UTC), datetime(2027, 1, 17, 16, tzinfo=UTC))
    assert day_of(starts) == DAY
    assert day_of(ends) == date(2027, 1, 18)


def test_a_bill_is_due_the_next_morning_at_nine() -> None:
    assert last_due(datetime(2027, 1, 18, 0, 59, tzinfo=UTC)) == date(2027, 1, 16)
    assert last_due(datetime(2027, 1, 18, 1, 0, tzinfo=UTC)) == DAY
    with pytest.raises(DayNotOver):
        require_over(DAY, datetime(2027, 1, 17, 15, 59, tzinfo=UTC))
    require_over(DAY, datetime(2027, 1, 17, 16, tzinfo=UTC))
