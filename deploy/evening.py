"""A sample gala evening, played from outside: what channels, the desk and two approvers would send.

It knows only the public interfaces, and keeps its own books of what must come out: `Expected`.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
from aiokafka import AIOKafkaProducer

from deploy.local.credentials import CITY, COUNTY
from deploy.year.people import FAMILY_NAMES, GIVEN_NAMES
from services.donation.intake import donation_id_of

HALL_TIME: Final = ZoneInfo("Asia/Shanghai")
CONCURRENT: Final = 40
RECEIPT_CODE: Final = "GSCS"
"""Begins the numbers of the sample organisation's receipts."""
ANSWER_TIMEOUT_S: Final = 20.0

HTTP_CHANNELS: Final = {"wechat": "微信支付", "alipay": "支付宝"}
KAFKA_CHANNEL: Final = "ecny"
CHANNELS: Final = {**HTTP_CHANNELS, KAFKA_CHANNEL: "数字人民币"}

_COMPANIES: Final = ("太湖实业", "姑苏纺织", "金鸡湖科技", "运河物流", "虎丘食品", "阳澄湖农业", "平江建筑")
_AMOUNTS_FEN: Final = (100, 520, 1_000, 1_888, 2_000, 5_000, 6_666, 10_000, 20_000, 50_000, 88_888, 100_001)
_MESSAGES: Final = (None, None, "愿人人有爱", "一点心意", "平安喜乐", "同在蓝天下")

ORGANISATIONS: Final[tuple[dict[str, Any], ...]] = (
    {
        "organisation_id": CITY,
        "name": "姑苏市慈善总会（示例）",
        "name_en": "Gusu Charity Federation (sample)",
        "licence": "慈募证第 0000 号（示例）",
    },
    {
        "organisation_id": COUNTY,
        "parent_id": CITY,
        "name": "姑苏市平江区慈善会（示例）",
        "name_en": "Pingjiang Charity Federation, Gusu (sample)",
        "licence": "慈募证第 0001 号（示例）",
    },
)
"""The sample federation: a city with a county below it."""


class EveningFailed(Exception):
    """Something did not answer as its contract says."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the evening is played: base URLs, the broker, and the bearer token of each person."""

    donation: str
    campaign: str
    reporting: str
    kafka: Sequence[str]
    kafka_namespace: str
    tokens: Mapping[str, str]
    """Role → token, for desk, approver, finance, administrator; four different persons."""


@dataclass(slots=True)
class Expected:
    """What must come out of what was sent. `accepted`: (channel, transaction_id) → amount in fen."""

    campaign_id: str
    accepted: dict[tuple[str, str], int] = field(default_factory=dict)
    refunded_fen: int = 0
    promised_fen: int = 0
    disbursed_fen: int = 0
    returned_fen: int = 0
    goods_received_fen: int = 0
    goods_distributed_fen: int = 0

    @property
    def donations(self) -> int:
        """How many donations there are, each counted once."""
        return len(self.accepted)

    @property
    def total_fen(self) -> int:
        """Σ donations − Σ reversals."""
        return sum(self.accepted.values()) - self.refunded_fen


def signature_headers(secret: str, body: bytes, message_id: str, at: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks 1.0.0 for a body, as a channel makes them."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    seconds = str(int(at.timestamp()))
    signed = b".".join((message_id.encode(), seconds.encode(), body))
    digest = hmac.digest(key, signed, hashlib.sha256)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def some_donation(dice: random.Random, campaign_id: str, transaction_id: str) -> dict[str, Any]:
    """A donation as a channel would report it: made data."""
    company = dice.random() < 0.03
    name = (
        f"苏州{dice.choice(_COMPANIES)}有限公司"
        if company
        else dice.choice(FAMILY_NAMES) + dice.choice(GIVEN_NAMES)
    )
    display = dice.choice(("name", "name", "alias", "anonymous"))
    donor: dict[str, Any] = {"kind": "company" if company else "person", "display": display, "name": name}
    if display == "alias":
        donor["alias"] = f"{name[0]}爱心{dice.randrange(100)}"
    if dice.random() < 0.2:
        donor["contact"] = {"email": f"donor{dice.randrange(10**6)}@example.org"}
    amount_fen = dice.choice(_AMOUNTS_FEN) * (100 if company else 1)
    body: dict[str, Any] = {
        "transaction_id": transaction_id,
        "campaign_id": campaign_id,
        "amount_fen": amount_fen,
        "currency": "CNY",
        "occurred_at": datetime.now(UTC).isoformat(),
        "donor": donor,
    }
    if message := dice.choice(_MESSAGES):
        body["message"] = message
    return body


def plan(campaign_id: str, now: datetime) -> dict[str, Any]:
    """The filed plan of a New Year gala (Charity Law art. 24), with made data."""
    return {
        "campaign_id": campaign_id,
        "kind": "gala",
        "title": f"2027新年慈善晚会（{now.astimezone(HALL_TIME):%H:%M} 场）",
        "title_en": f"New Year Charity Gala 2027 ({now.astimezone(HALL_TIME):%H:%M})",
        "organisation": ORGANISATIONS[0]["name"],
        "licence": ORGANISATIONS[0]["licence"],
        "goal_fen": 100_000_000,
        "milestone_percents": [25, 50, 75, 100],
        "purpose": "助医、助学、助老、助残",
        "window_start": (now - timedelta(hours=1)).isoformat(),
        "window_end": (now + timedelta(days=30)).isoformat(),
        "area": "江苏省苏州市",
        "responsible_person": "示例负责人",
        "account": "示例银行 0000 0000 0000",
        "beneficiaries": "困难家庭、学生与老人",
        "uses": ["助医恤病", "助学圆梦"],
        "cost_fen": 0,
        "remainder": "用于相同或者相近的慈善项目",
        "contact": "0512-0000 0000",
        "query_method": "示例网址 charity.example.org",
    }


class Evening:
    """One campaign from its filing to its first disbursement and receipt.

    `secrets`: channel → signing secret.
    """

    def __init__(self, stage: Stage, secrets: dict[str, str], seed: int, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._secrets = secrets
        self._dice = random.Random(seed)  # noqa: S311 - sample data
        self._say = say
        self._run = uuid.uuid4().hex[:8]
        self._at_once = asyncio.Semaphore(CONCURRENT)
        self._http = httpx.AsyncClient(
            timeout=ANSWER_TIMEOUT_S, limits=httpx.Limits(max_connections=CONCURRENT)
        )
        self._numbers = iter(range(1, 10**9))
        self.check_address = ""
        """Where the evening's receipt can be checked, once it is issued."""
        self.expected = Expected(f"gala-{datetime.now(UTC):%Y%m%d}-{self._run}")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def prepare(self) -> None:
        """Register the channels that are not there yet, create and file the campaign."""
        for channel, title in CHANNELS.items():
            if channel not in self._secrets:
                answer = await self._as(
                    "administrator", "donation", "/v1/channels", {"channel": channel, "title": title}
                )
                self._secrets[channel] = answer["secret"]
        for organisation in ORGANISATIONS:
            await self._once("campaign", "/v1/organisations", organisation)
        campaign = self.expected.campaign_id
        body = plan(campaign, datetime.now(UTC)) | {"organisation_id": CITY}
        await self._as("desk", "campaign", "/v1/campaigns", body)
        number = {"filing_number": f"示例备案 {self._run}"}
        await self._as("desk", "campaign", f"/v1/campaigns/{campaign}/file", number)

    async def launch(self) -> None:
        """Launch the campaign: what was held for it is released."""
        await self._as("desk", "campaign", f"/v1/campaigns/{self.expected.campaign_id}/launch", {})

    async def play(self, donations: int) -> None:
        """The whole evening: early donations that are held, the launch, the surge with its troubles, a
        refund, placards, money going out by two persons' hands, medicines in kind coming in and going out,
        and a receipt.
        """
        self._say("some donations come before the launch and are held")
        await self._until("held", await self.donate_by_http(max(1, donations // 20)))
        await self.launch()
        self._say("the campaign is launched; donations come by HTTP and straight into Kafka")
        by_http = donations * 6 // 10
        bodies, _ = await asyncio.gather(
            self.donate_by_http(by_http), self.donate_by_kafka(donations - by_http)
        )
        await self._trouble(bodies)
        await self._refund(bodies[0], bodies[0][1]["amount_fen"])
        await self._refund(bodies[1], 1)
        await self._pledge()
        await self._disburse()
        await self._goods()
        named = [each for each in bodies[2:] if each[1]["donor"]["display"] == "name"]
        await self._receipt((named or bodies)[0])

    async def donate_by_http(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """Send donations over HTTP, every twentieth twice; gives back (channel, body) of each."""
        bodies = [(self._dice.choice(list(HTTP_CHANNELS)), self._donation()) for _ in range(count)]
        twice = bodies + bodies[::20]
        for answer in await asyncio.gather(
            *(self._post(channel, "donations", body) for channel, body in twice)
        ):
            _must(answer, 202)
        self._count(bodies)
        return bodies

    async def _until(self, status: str, bodies: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Wait until the donation service says of each that it has this status."""
        for channel, body in bodies:
            donation = donation_id_of(channel, body["transaction_id"])
            url = f"{self._stage.donation}/v1/donations/{donation}"
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                while (await self._http.get(url)).json().get("status") != status:  # noqa: ASYNC110 - asked over HTTP
                    await asyncio.sleep(0.1)

    async def donate_by_kafka(self, count: int) -> None:
        """Publish donations to the channel's own topic, every twentieth twice, one again with another amount
        (a conflict: a person has to look), and one bad record.
        """
        bodies = [(KAFKA_CHANNEL, self._donation()) for _ in range(count)]
        topic = f"{self._stage.kafka_namespace}intake.{KAFKA_CHANNEL}"
        producer = AIOKafkaProducer(bootstrap_servers=list(self._stage.kafka), acks="all", linger_ms=5)
        await producer.start()
        try:
            sends = []
            for _, body in bodies + bodies[::20]:
                value = json.dumps(body, ensure_ascii=False).encode()
                sends.append(await producer.send(topic, value, key=body["transaction_id"].encode()))
            other = {**bodies[0][1], "amount_fen": bodies[0][1]["amount_fen"] + 1}
            sends.append(
                await producer.send(topic, json.dumps(other).encode(), key=other["transaction_id"].encode())
            )
            sends.append(await producer.send(topic, b'{"amount_fen": 1.5, "note": "a bad record"}'))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await asyncio.gather(*sends)
        finally:
            await producer.stop()
        self._count(bodies)

    async def _trouble(self, bodies: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """What must not change any total: a conflict, a bad body, a forged signature."""
        channel, body = bodies[-1]
        _must(await self._post(channel, "donations", {**body, "amount_fen": body["amount_fen"] + 1}), 409)
        _must(await self._post(channel, "donations", {**self._donation(), "amount_fen": 0}), 422)
        forged = await self._http.post(
            f"{self._stage.donation}/v1/channels/{channel}/donations",
            content=b"{}",
            headers=signature_headers("whsec_AAAA", b"{}", "forged", datetime.now(UTC)),
        )
        _must(forged, 401)

    async def _refund(self, donation: tuple[str, dict[str, Any]], amount_fen: int) -> None:
        channel, body = donation
        reversal = {
            "reversal_id": f"refund-{body['transaction_id']}",
            "transaction_id": body["transaction_id"],
            "kind": "refund",
            "amount_fen": amount_fen,
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        _must(await self._post(channel, "reversals", reversal), 202)
        self.expected.refunded_fen += amount_fen

    async def _pledge(self) -> None:
        """Three placards, entered by one person, read back and confirmed by another."""
        for company, amount_fen in zip(_COMPANIES[:3], (100_000_000, 50_000_000, 30_000_000), strict=True):
            pledge = {
                "company": f"苏州{company}有限公司",
                "display": "name",
                "amount_fen": amount_fen,
                "due_on": f"{datetime.now(UTC) + timedelta(days=60):%Y-%m-%d}",
            }
            path = f"/v1/campaigns/{self.expected.campaign_id}/pledges"
            entered = await self._as("desk", "campaign", path, pledge)
            confirm = f"/v1/pledges/{entered['pledge_id']}/confirm"
            read_back = {"amount_fen": amount_fen}
            await self._as("finance", "campaign", confirm, read_back, version=entered["version"])
            self.expected.promised_fen += amount_fen

    async def _disburse(self) -> None:
        """A tenth of what came in, asked for by one person, approved by another, paid by a third."""
        amount_fen = max(1, self.expected.total_fen // 10)
        asked = {
            "amount_fen": amount_fen,
            "use": "助学圆梦",
            "title": "示例：助学圆梦第一批",
            "payee": "示例学校",
            "beneficiaries": 12,
            "beneficiary_unit": "person_times",
        }
        path = f"/v1/campaigns/{self.expected.campaign_id}/disbursements"
        requested = await self._as("desk", "campaign", path, asked)
        disbursement = f"/v1/disbursements/{requested['disbursement_id']}"
        version = requested["version"]
        await self._eventually(
            lambda: self._as("approver", "campaign", f"{disbursement}/approve", {}, version=version)
        )
        await self._as("finance", "campaign", f"{disbursement}/pay", {}, version=version + 1)
        self.expected.disbursed_fen += amount_fen
        await self._return(disbursement, version + 2, max(1, amount_fen // 10))

    async def _return(self, disbursement: str, version: int, amount_fen: int) -> None:
        """A part of a payment comes back: recorded by one person, confirmed by another."""
        back = {"amount_fen": amount_fen, "reason": "示例：未用完的部分退回"}
        path = f"{disbursement}/return"
        await self._as("finance", "campaign", path, back, version=version)
        await self._as("approver", "campaign", f"{path}/confirm", {}, version=version + 1)
        self.expected.returned_fen += amount_fen

    async def _goods(self) -> None:
        """Medicines given in kind: entered by one person, counted by another; a third of them handed out."""
        today = f"{datetime.now(HALL_TIME):%Y-%m-%d}"
        medicine = {
            "description": "药品",
            "category": "medicine",
            "quantity": 300,
            "unit": "箱",
            "value_fen": 12_100_001,
            "basis": "invoice",
            "document": "示例发票 0001",
            "batch": "20260101",
            "expires_on": f"{datetime.now(HALL_TIME) + timedelta(days=700):%Y-%m-%d}",
            "store": "示例一号库",
        }
        gift = {
            "donor": f"苏州{_COMPANIES[0]}有限公司",
            "donor_kind": "company",
            "display": "name",
            "received_on": today,
            "items": [medicine],
        }
        campaign = f"/v1/campaigns/{self.expected.campaign_id}"
        entered = await self._as("desk", "campaign", f"{campaign}/goods-gifts", gift)
        confirm = f"/v1/goods-gifts/{entered['gift_id']}/confirm"
        counted = {"value_fen": entered["value_fen"]}
        await self._as("finance", "campaign", confirm, counted, version=entered["version"])
        self.expected.goods_received_fen += entered["value_fen"]
        distribution = {
            "items": [{"item_id": entered["items"][0]["item_id"], "quantity": 100}],
            "use": "助医恤病",
            "recipient": "示例医院",
            "beneficiaries": 76,
            "beneficiary_unit": "person_times",
            "distributed_on": today,
        }
        asked = await self._as("finance", "campaign", f"{campaign}/goods-distributions", distribution)
        approve = f"/v1/goods-movements/{asked['movement_id']}/approve"
        done = await self._as("approver", "campaign", approve, {}, version=asked["version"])
        self.expected.goods_distributed_fen += done["value_fen"]

    async def _receipt(self, donation: tuple[str, dict[str, Any]]) -> None:
        """Issue the receipt of a donation, and open the page where anyone can check it."""
        channel, body = donation
        await self._until("received", [donation])
        organisation = plan(self.expected.campaign_id, datetime.now(UTC))["organisation"]
        registration = {"organisation": organisation, "code": RECEIPT_CODE}
        await self._once("donation", "/v1/receipt-organisations", registration)
        donation_id = donation_id_of(channel, body["transaction_id"])
        asked = {"donation_ids": [str(donation_id)], "handler": "陈会计（示例）"}

        async def issue() -> None:
            receipt = await self._as("finance", "donation", "/v1/receipts", asked)
            self.check_address = receipt["check_address"]

        await self._eventually(issue)
        _must(await self._http.get(self.check_address), 200)

    async def _once(self, service: str, path: str, body: dict[str, Any]) -> None:
        """Register what an evening before this one may have registered."""
        try:
            await self._as("administrator", service, path, body)
        except EveningFailed as error:
            if "409" not in str(error):
                raise

    async def _eventually(self, attempt: Callable[[], Awaitable[Any]]) -> None:
        """The fund's balance follows the donations by a moment, and what receipts know of a campaign follows
        its launch: an approval or a receipt may come too early.
        """
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while True:
                try:
                    await attempt()
                except EveningFailed as error:
                    if "409" not in str(error):
                        raise
                    await asyncio.sleep(0.2)
                else:
                    return

    def _donation(self) -> dict[str, Any]:
        return some_donation(self._dice, self.expected.campaign_id, f"{self._run}-{next(self._numbers)}")

    def _count(self, bodies: Sequence[tuple[str, dict[str, Any]]]) -> None:
        for channel, body in bodies:
            self.expected.accepted[channel, body["transaction_id"]] = body["amount_fen"]

    async def _post(self, channel: str, kind: str, body: dict[str, Any]) -> httpx.Response:
        """Send one signed message; a 503 or 429 is sent again, as a channel would."""
        content = json.dumps(body, ensure_ascii=False).encode()
        url = f"{self._stage.donation}/v1/channels/{channel}/{kind}"
        async with self._at_once:
            pause_s = 0.1
            while True:
                now = datetime.now(UTC)
                headers = signature_headers(self._secrets[channel], content, f"msg_{uuid.uuid4().hex}", now)
                answer = await self._http.post(url, content=content, headers=headers)
                if answer.status_code not in (429, 503) or pause_s > 10:
                    return answer
                await asyncio.sleep(pause_s)
                pause_s *= 2

    async def _as(
        self, role: str, service: str, path: str, body: dict[str, Any], *, version: int | None = None
    ) -> dict[str, Any]:
        """Send a command as the person with a role, who has seen `version` of what it is about; raises
        EveningFailed unless it is a success.
        """
        headers = {
            "authorization": f"Bearer {self._stage.tokens[role]}",
            "idempotency-key": uuid.uuid4().hex,
        }
        if version is not None:
            headers["if-match"] = f'"{version}"'
        answer = await self._http.post(getattr(self._stage, service) + path, json=body, headers=headers)
        _must(answer, answer.status_code if answer.is_success else 200)
        return answer.json()  # type: ignore[no-any-return]


def _must(answer: httpx.Response, status: int) -> None:
    if answer.status_code != status:
        where = f"{answer.request.method} {answer.request.url.path}"
        raise EveningFailed(f"{where}: {answer.status_code} instead of {status}: {answer.text[:300]}")
