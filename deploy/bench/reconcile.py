"""How long it takes to reconcile a day's bill: over HTTP, from the first byte sent until the answer, when
every line is judged and every break written down.

The bill has WeChat Pay's form and 1 line of 100 is at odds with the donations of the day, in each way a line
can be: missing here, missing there, another amount.
"""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import asyncpg
import httpx

from deploy.bench.ground import Base, Ground, prepared
from deploy.bench.meters import CpuMeter
from deploy.bench.report import Figure, Result
from services.donation.intake import donation_id_of
from services.donation.reconciliation.days import BILL_TIME, bounds_of, day_of

GOAL_S: Final = 30.0
LINES: Final = 100_000
CHANNEL: Final = "bench"
ANSWER_S: Final = 300.0
STORED_BEFORE: Final = 5
"""Days of the same size that lie in the database already."""

_HEADING: Final = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
_SUMS: Final = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n`0"
)
_COLUMNS: Final = (
    "donation_id", "channel", "transaction_id", "campaign_id", "amount_fen", "occurred_at", "received_at",
    "donor_kind", "donor_display", "source", "sequence", "status",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Days:
    """Donation n of a day: of every 100, number 0 only we know, 1 only the bill, 2 at another amount."""

    day: date
    lines: int

    def transaction_id(self, number: int) -> str:
        """The company's number of it."""
        return f"42{self.day:%Y%m%d}{number:018d}"

    @staticmethod
    def amount_fen(number: int) -> int:
        """1.00 to 1,000.99 yuan."""
        return 100 + number * 7_919 % 100_000

    def at(self, number: int) -> datetime:
        """Spread over the day's first 23 hours."""
        return bounds_of(self.day)[0] + timedelta(seconds=number * 82_800 / self.lines)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Our donations."""
        for n in range(self.lines):
            if n % 100 != 1:
                key, at = self.transaction_id(n), self.at(n)
                place = (f"intake.{CHANNEL}/{n % 4}", self.day.toordinal() * 10_000_000 + n)
                fixed = ("person", "anonymous", *place, "received")
                amount = self.amount_fen(n)
                yield (donation_id_of(CHANNEL, key), CHANNEL, key, "bench", amount, at, at, *fixed)

    def bill(self) -> bytes:
        """The company's bill."""
        rows = [_HEADING]
        for n in range(self.lines):
            if n % 100:
                fen = self.amount_fen(n) + (1 if n % 100 == 2 else 0)
                yuan = f"{fen // 100}.{fen % 100:02d}"
                cells = (
                    f"{self.at(n).astimezone(BILL_TIME):%Y-%m-%d %H:%M:%S}", "wx0000000000000001",
                    "1900000001", "0", "", self.transaction_id(n), f"gift-{n}",
                    "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "JSAPI",
                    "SUCCESS", "OTHERS", "CNY", yuan, "0.00", "0", "0", "0.00", "0.00", "", "", "慈善捐款",
                    "bench", "0.00600", "0.60%", yuan, "0.00", "",
                )  # fmt: skip
                rows.append(",".join("`" + cell for cell in cells))
        return "\r\n".join([*rows, _SUMS, ""]).encode()


async def store(ground: Ground, days: Sequence[Days]) -> None:
    """Write the days' donations, as if they had been booked."""
    connection = await asyncpg.connect(ground.dsn("donation"), timeout=5)
    try:
        for each in days:
            await connection.copy_records_to_table("donations", records=each.rows(), columns=_COLUMNS)
        await connection.execute("ANALYZE donations")
    finally:
        await connection.close()


async def measure(base: Base, lines: int = LINES) -> Result:
    """Import the bill of a day with `lines` donations, and look at what was found."""
    async with prepared(base) as ground:
        await ground.start("donation")
        await ground.register(CHANNEL)
        return await measure_on(ground, lines)


async def measure_on(ground: Ground, lines: int) -> Result:
    """The same on a system that runs, with the channel."""
    result = Result("reconcile")
    last = day_of(datetime.now(UTC)) - timedelta(days=1)
    days = [Days(last - timedelta(days=n), lines) for n in range(STORED_BEFORE)]
    await store(ground, days)
    meter = CpuMeter({"donation": ground.pids["donation"], **ground.base.pids})
    token = ground.credentials.operators["administrator"]
    async with httpx.AsyncClient(base_url=ground.wiring.url("donation"), timeout=ANSWER_S) as client:
        bill = days[1].bill()
        began_s = time.perf_counter()
        meter.begin()
        answer = await client.post(
            "/v1/reconciliation/bills",
            params={"channel": CHANNEL, "day": f"{days[1].day}", "format": "wechatpay"},
            content=bill,
            headers={"authorization": f"Bearer {token}", "idempotency-key": uuid.uuid4().hex},
        )
        took_s = time.perf_counter() - began_s
        cpu = meter.end()
    if answer.status_code != 201:
        result.wrong.append(f"the bill was answered {answer.status_code}: {answer.text[:200]}")
    found = await ground.value(
        "donation",
        "SELECT json_object_agg(kind, n)::text"
        " FROM (SELECT kind, count(*) AS n FROM breaks GROUP BY kind) AS found",
    )
    matched = await ground.value(
        "donation",
        "SELECT matched FROM reconciled_days WHERE day = $1 AND channel = $2",
        days[1].day,
        CHANNEL,
    )
    _judge(result, lines, found, matched)
    result.figures = [
        Figure(
            f"{lines:,} lines", took_s, "s", GOAL_S * lines / LINES, "lower", f"{len(bill) / 2**20:.0f} MB"
        ),
        Figure("lines a second", lines / took_s, "/s"),
    ]
    result.details = {"seconds": took_s, "bytes": len(bill), "cpu_cores": cpu}
    return result


def _judge(result: Result, lines: int, found: str | None, matched: int | None) -> None:
    """Whether each break was found, and no other."""
    numbers = range(lines)
    ours = sum(n % 100 == 0 for n in numbers)
    theirs = sum(n % 100 == 1 for n in numbers)
    other = sum(n % 100 == 2 for n in numbers)
    wanted = {"missing_there": ours, "missing_here": theirs, "amount_differs": other}
    seen = json.loads(found or "{}")
    if seen != wanted:
        result.wrong.append(f"breaks are {seen}, not {wanted}")
    if matched != lines - ours - theirs - other:
        result.wrong.append(f"{matched} matched, not {lines - ours - theirs - other}")
