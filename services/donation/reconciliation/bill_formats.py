"""The forms bills come in, each read into the same lines. Pure.

wechatpay  WeChat Pay's 交易账单 (bill_type ALL): UTF-8, a heading, a backquote before each value, two lines
           of sums at the end. A refund stands on a line of its own with 交易状态 REFUND. 订单金额 is what the
           donor's order was for, vouchers included; 申请退款金额 what goes back of it
           (pay.weixin.qq.com/doc/v3/merchant/4013071108).
alipay     Alipay's 业务明细: GB18030, lines with # around it, a tab behind each id. 业务类型 is 交易 or
           退款; a refund's amount and a payment's 服务费 stand below zero
           (opendocs.alipay.com, alipay.data.dataservice.bill.downloadurl.query, bill_type trade).
plain      our own: UTF-8 CSV with transaction_id, kind, amount_fen, fee_fen, occurred_at, reversal_id,
           campaign_id; the time is RFC 3339. What a partner sends who has no form of their own.
profile    any table or camt.053 that the channel's settings have a profile for (statements/profiles.py):
           its lines have the ids that they have when such a file is taken in as donations.
"""

import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, get_args

from services.donation.intake import DonationRequest, ReversalRequest
from services.donation.reconciliation.bill_lines import (
    MAX_LINES,
    MAX_SHOWN,
    BillLine,
    BillUnusable,
    LineUnusable,
    amount_fen,
    campaign,
    fee_fen,
    identifier,
    local_time,
)
from services.donation.schemes import passback
from services.donation.statements.checking import Checker
from services.donation.statements.profiles import Profile
from services.donation.statements.reading import rows as rows_of
from shared.money import MAX_AMOUNT_FEN

Format = Literal["wechatpay", "alipay", "plain", "profile"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)

Cells: TypeAlias = Mapping[str, str]
Numbered: TypeAlias = list[tuple[int, BillLine]]


def read_bill(content: bytes, form: Format) -> Numbered:
    """The lines of a bill of any form but profile, each with its number in the file.

    Raises BillUnusable, naming up to MAX_SHOWN lines: a bill that is read in part would call the rest
    missing.
    """
    rows, read = _READERS[form](content)
    lines: Numbered = []
    wrong: list[str] = []
    try:
        for number, cells in rows:
            try:
                line = read(cells)
            except LineUnusable as error:
                wrong.append(f"line {number}: {error}")
                if len(wrong) == MAX_SHOWN:
                    break
                continue
            if line is not None:
                lines.append((number, line))
            if len(lines) > MAX_LINES:
                raise BillUnusable(f"The bill has more than {MAX_LINES} lines.", fields=["body"])
    except csv.Error as error:
        raise BillUnusable(f"The bill is not CSV: {error}.", fields=["body"]) from None
    if wrong:
        raise BillUnusable(f"Nothing of the bill was taken. {wrong[0]}.", fields=["body"], lines=wrong)
    return lines


_ACCOUNT: Final = re.compile(r"#账号：\[(\d{16,24})\]")
_HEAD_ROWS: Final = 100


def merchants_of(content: bytes, form: Format) -> frozenset[str]:
    """Whom a company's bill says it is of, by its first lines; others do not say. Raises BillUnusable."""
    if form == "wechatpay":
        first = itertools.islice(_wechatpay(content)[0], _HEAD_ROWS)
        return frozenset(cells["商户号"].strip() for _, cells in first if cells.get("商户号", "").strip())
    if form == "alipay":
        head = content[:4096].decode("gb18030", "replace")
        return frozenset(_ACCOUNT.findall(head))
    return frozenset()


_Rows: TypeAlias = Iterator[tuple[int, Cells]]
_Read: TypeAlias = Callable[[Cells], BillLine | None]


def _text(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise BillUnusable(f"The bill is not text in {encoding}.", fields=["body"]) from None


def _cell(cells: Cells, name: str) -> str:
    value = cells.get(name)
    if value is None:
        raise LineUnusable(f"{name} is missing")
    return value.strip()


def _require_columns(heading: list[str], *needed: str) -> None:
    if missing := [name for name in needed if name not in heading]:
        raise BillUnusable(f"The bill has no column {missing[0]}.", fields=["body"], columns=missing)


# ----------------------------------------------------------------------------------------- WeChat Pay

_WECHAT_SUMS: Final = "总交易单数"
_WECHAT: Final = ("交易时间", "微信订单号", "交易状态", "订单金额", "申请退款金额", "微信退款单号", "手续费")


def _wechatpay(content: bytes) -> tuple[_Rows, _Read]:
    text = _text(content, "utf-8-sig")
    if _WECHAT_SUMS not in text:
        raise BillUnusable("The bill ends before its sums: fetch it again.", fields=["body"])
    # A backquote stands before each value and a value may have a comma: `a,`b, c,`d
    rows = enumerate(text.splitlines(), 1)
    _, first = next(rows)
    heading = [name.strip() for name in first.split(",")]
    _require_columns(heading, *_WECHAT)

    def cells() -> _Rows:
        for number, row in rows:
            if row.startswith(_WECHAT_SUMS):
                return
            if row:
                yield number, dict(zip(heading, row.removeprefix("`").split(",`"), strict=False))

    return cells(), _wechatpay_line


def _wechatpay_line(cells: Cells) -> BillLine | None:
    state = _cell(cells, "交易状态")
    transaction_id = identifier(_cell(cells, "微信订单号"), "微信订单号")
    occurred_at = local_time(_cell(cells, "交易时间"), "交易时间")
    fee = fee_fen(_cell(cells, "手续费"), "手续费")
    if state == "SUCCESS":
        amount = amount_fen(_cell(cells, "订单金额"), "订单金额")
        attach = cells.get("商户数据包", "").strip()
        said = attach if passback.is_ours(attach) else None
        return BillLine("payment", transaction_id, amount, occurred_at, fee, said=said)
    if state in ("REFUND", "REVOKED"):
        amount = amount_fen(_cell(cells, "申请退款金额"), "申请退款金额")
        refund = identifier(_cell(cells, "微信退款单号"), "微信退款单号")
        return BillLine("refund", transaction_id, amount, occurred_at, fee, refund)
    raise LineUnusable("交易状态 is none of SUCCESS, REFUND, REVOKED")


# --------------------------------------------------------------------------------------------- Alipay

_ALIPAY: Final = (
    "支付宝交易号",
    "业务类型",
    "完成时间",
    "订单金额（元）",
    "退款批次号/请求号",
    "服务费（元）",
)


def _alipay(content: bytes) -> tuple[_Rows, _Read]:
    lines = _text(content, "gb18030").splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith("支付宝交易号")), None)
    if start is None:
        raise BillUnusable("The bill has no heading that begins with 支付宝交易号.", fields=["body"])
    heading = [name.strip() for name in lines[start].split(",")]
    _require_columns(heading, *_ALIPAY)
    if not any(line.startswith("#") for line in lines[start + 1 :]):
        raise BillUnusable("The bill ends before its closing lines: fetch it again.", fields=["body"])

    def cells() -> _Rows:
        rows = csv.reader(line for line in lines[start + 1 :] if line.strip() and not line.startswith("#"))
        for number, row in enumerate(rows, start + 2):
            yield number, dict(zip(heading, row, strict=False))

    return cells(), _alipay_line


def _alipay_line(cells: Cells) -> BillLine | None:
    transaction_id = identifier(_cell(cells, "支付宝交易号"), "支付宝交易号")
    occurred_at = local_time(_cell(cells, "完成时间"), "完成时间")
    fee = -fee_fen(_cell(cells, "服务费（元）"), "服务费（元）")
    amount = amount_fen(_cell(cells, "订单金额（元）").removeprefix("-"), "订单金额（元）")
    kind = _cell(cells, "业务类型")
    if kind == "交易":
        return BillLine("payment", transaction_id, amount, occurred_at, fee)
    if kind == "退款":
        refund = identifier(_cell(cells, "退款批次号/请求号"), "退款批次号/请求号")
        return BillLine("refund", transaction_id, amount, occurred_at, fee, refund)
    raise LineUnusable("业务类型 is none of 交易, 退款")


# ---------------------------------------------------------------------------------------------- plain

_PLAIN: Final = ("transaction_id", "kind", "amount_fen", "occurred_at")


def _plain(content: bytes) -> tuple[_Rows, _Read]:
    reader = csv.DictReader(io.StringIO(_text(content, "utf-8-sig"), newline=""), restval="")
    _require_columns(list(reader.fieldnames or []), *_PLAIN)

    def cells() -> _Rows:
        for row in reader:
            yield reader.line_num, row

    return cells(), _plain_line


def _plain_line(cells: Cells) -> BillLine | None:
    transaction_id = identifier(_cell(cells, "transaction_id"), "transaction_id")
    amount = _whole(_cell(cells, "amount_fen"), "amount_fen")
    if not 1 <= amount <= MAX_AMOUNT_FEN:
        raise LineUnusable("amount_fen is not between 1 and the most a donation can be")
    fee = _whole(text, "fee_fen") if (text := cells.get("fee_fen", "").strip()) else None
    occurred_at = _moment(_cell(cells, "occurred_at"))
    kind = _cell(cells, "kind")
    if kind == "payment":
        given_to = campaign(cells.get("campaign_id", "").strip())
        return BillLine("payment", transaction_id, amount, occurred_at, fee, None, given_to)
    if kind == "refund":
        refund = identifier(_cell(cells, "reversal_id"), "reversal_id")
        return BillLine("refund", transaction_id, amount, occurred_at, fee, refund)
    raise LineUnusable("kind is none of payment, refund")


def _whole(text: str, what: str) -> int:
    if not text.removeprefix("-").isdecimal() or len(text) > 14 or not text.isascii():
        raise LineUnusable(f"{what} is not a whole number of fen")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise LineUnusable("occurred_at is not a time like 2027-01-17T20:00:00+08:00") from None


# ---------------------------------------------------------------- profile


def read_by_profile(content: bytes, profile: Profile, received_at: datetime) -> Numbered:
    """The same for a file that the channel's profile reads. `received_at` (UTC): nothing in it is later.

    Raises BillUnusable, and Unreadable for a file that is none of those a profile can read.
    """
    lines: Numbered = []
    wrong: list[str] = []
    for line in Checker(profile, received_at).lines(rows_of(content, profile.layout())):
        if line.verdict == "bad":
            wrong.append(f"line {line.number}: {line.reasons[0]}")
            if len(wrong) == MAX_SHOWN:
                break
        elif line.message is not None and line.verdict != "repeated":
            lines.append((line.number, _line_of(line.message)))
        if len(lines) > MAX_LINES:
            raise BillUnusable(f"The bill has more than {MAX_LINES} lines.", fields=["body"])
    if wrong:
        raise BillUnusable(f"Nothing of the bill was taken. {wrong[0]}.", fields=["body"], lines=wrong)
    return lines


def _line_of(said: DonationRequest | ReversalRequest) -> BillLine:
    where = said.transaction_id, said.amount_fen, said.occurred_at
    if isinstance(said, DonationRequest):
        return BillLine("payment", *where, said.fee_fen, None, said.campaign_id)
    return BillLine("refund", *where, None, said.reversal_id)


_READERS: Final[Mapping[Format, Callable[[bytes], tuple[_Rows, _Read]]]] = {
    "wechatpay": _wechatpay,
    "alipay": _alipay,
    "plain": _plain,
}
