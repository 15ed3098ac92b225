"""Campaigns, commands and donation events for the tests, complete unless a test says otherwise."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from httpx import ASGITransport, AsyncClient, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import commands
from services.campaign.api import Books
from services.campaign.commands import Actor
from services.campaign.days import DONOR_TIME
from services.campaign.schemas import CampaignBody, FilingBody, StepBody
from shared.access import Person
from shared.events import DonationReceived, DonationReversed, Event
from shared.events.donations import DonationReceivedData, DonationReversedData
from shared.run_once import Answer, Command

AT = datetime(2026, 12, 31, 12, tzinfo=UTC)

DESK = "li"
FINANCE = "wang"
APPROVER = "zhao"
SECOND_APPROVER = "qian"
FINANCE_AND_APPROVER = "sun"
SECOND_FINANCE = "feng"
ADMINISTRATOR = "zhou"
VIEWER = "wu"
SECOND_DESK = "chen"

ROLES: dict[str, list[str]] = {
    DESK: ["desk"],
    FINANCE: ["finance"],
    APPROVER: ["approver"],
    SECOND_APPROVER: ["approver"],
    FINANCE_AND_APPROVER: ["finance", "approver"],
    SECOND_FINANCE: ["finance"],
    ADMINISTRATOR: ["administrator"],
    VIEWER: ["viewer"],
    SECOND_DESK: ["desk"],
}

CITY, GUSU, WUJIANG, TOWN = "suzhou", "gusu", "wujiang", "wujiang-shengze"
ORGANISATIONS: dict[str, tuple[str | None, str]] = {
    CITY: (None, "苏州市慈善总会"),
    GUSU: (CITY, "姑苏区慈善会"),
    WUJIANG: (CITY, "吴江区慈善会"),
    TOWN: (WUJIANG, "盛泽镇慈善会"),
}
"""A city federation with two county federations, one of them with a town below it: id → (parent, name)."""

GRANTS: dict[str, list[dict[str, Any]]] = {
    f"{organisation}.{role}": [{"organisation": organisation, "roles": [role]}]
    for organisation in ORGANISATIONS
    for role in ("viewer", "desk", "finance", "approver", "administrator")
}
"""People who have one role at one organisation, such as "gusu.finance", and no role everywhere."""


WINDOW_END: Final = (datetime.now(DONOR_TIME) + timedelta(days=90)).replace(second=0, microsecond=0)
"""Of a plan that is running now, whenever that is."""


def token(person: str) -> str:
    return f"token-of-{person}"


def new_campaign_id(name: str = "gala") -> str:
    return f"{name}-{uuid4().hex[:12]}"


def a_plan(**changes: Any) -> dict[str, Any]:
    """A complete plan with a goal of 10,000 yuan."""
    plan = {
        "kind": "gala",
        "title": "第五届慈善晚会",
        "title_en": "The fifth charity gala",
        "organisation": "苏州市慈善总会",
        "licence": "53320500509190000A",
        "goal_fen": 1_000_000,
        "purpose": "助医、助学",
        "window_start": "2026-01-01T20:00:00+08:00",
        "window_end": WINDOW_END.isoformat(),
        "area": "江苏省苏州市",
        "responsible_person": "王某某",
        "account": "工商银行 1102 0000 0000",
        "beneficiaries": "困难家庭",
        "uses": ["助医", "助学"],
        "cost_fen": 0,
        "remainder": "用于相近目的",
        "contact": "0512-00000000",
        "query_method": "慈善中国",
    }
    return {name: value for name, value in (plan | changes).items() if value is not ...}


def a_campaign(campaign_id: str, **changes: Any) -> dict[str, Any]:
    return {"campaign_id": campaign_id, **a_plan(**changes)}


def a_disbursement(amount_fen: int = 100, **changes: Any) -> dict[str, Any]:
    return {
        "amount_fen": amount_fen,
        "use": "助学",
        "payee": "某某中学",
        "beneficiaries": 12,
        "beneficiary_unit": "person_times",
    } | changes


def a_pledge(amount_fen: int = 100, **changes: Any) -> dict[str, Any]:
    due_on = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
    return {"company": "某某公司", "display": "name", "amount_fen": amount_fen, "due_on": due_on} | changes


def some_goods(quantity: int) -> dict[str, Any]:
    return {"description": "药品", "quantity": quantity, "unit": "箱", "basis": "invoice"}


def a_delivery(quantity: int, value_fen: int, **changes: Any) -> dict[str, Any]:
    today = datetime.now(DONOR_TIME).date().isoformat()
    return {
        "quantity": quantity,
        "value_fen": value_fen,
        "delivered_on": today,
        "reason": "送货单 1",
    } | changes


def a_release(**changes: Any) -> dict[str, Any]:
    return {
        "report_reference": "民慈报〔2026〕1号",
        "reported_to": "某某县民政局",
        "reported_on": "2026-01-05",
        "reason": "经营状况显著恶化",
        "public_statement": "https://charity.example/statements/1",
    } | changes


class Operator:
    """Sends commands as one person, each with a key of its own unless a test names one."""

    def __init__(self, client: AsyncClient, person: str) -> None:
        self.person = person
        self._client = client
        self._bearer = {"Authorization": f"Bearer {token(person)}"}

    @property
    def app(self) -> Any:
        """The application that is asked, which runs beside the test."""
        transport = self._client._transport
        assert isinstance(transport, ASGITransport)
        return transport.app

    async def post(
        self, path: str, body: Any = None, *, key: str | None = None, if_match: str | None = None
    ) -> Response:
        headers = self._bearer | {"Idempotency-Key": key or str(uuid4())}
        if if_match is not None:
            headers["If-Match"] = if_match
        return await self._client.post(f"/v1{path}", json=body, headers=headers)

    async def decide(self, path: str, step: str, body: Any = None) -> Response:
        """Take a step of what lies at a path, having read it."""
        read = await self.get(path)
        return await self.post(f"{path}/{step}", body, if_match=read.headers.get("ETag"))

    async def put(self, path: str, body: Any, *, if_match: str | None = None) -> Response:
        headers = self._bearer | ({} if if_match is None else {"If-Match": if_match})
        return await self._client.put(f"/v1{path}", json=body, headers=headers)

    async def get(self, path: str, **query: Any) -> Response:
        return await self._client.get(f"/v1{path}", params=query or None, headers=self._bearer)

    async def any(self, method: str, address: str) -> Response:
        """A request of any kind, with an empty object where there is a body."""
        headers = self._bearer | {"Idempotency-Key": str(uuid4()), "If-Match": "*"}
        body: dict[str, Any] | None = None if method in {"get", "delete"} else {}
        return await self._client.request(method, address, json=body, headers=headers)

    async def send(self, path: str, content: bytes, **headers: str) -> Response:
        sent = self._bearer | {"Idempotency-Key": str(uuid4()), "Content-Type": "application/json"} | headers
        return await self._client.post(f"/v1{path}", content=content, headers=sent)


async def launched(desk: Operator, **changes: Any) -> str:
    """The id of a campaign that was launched today, or `on` another day. Created, filed and launched by the
    three commands in one transaction: three requests with theirs take three times as long, and so most tests
    begin.
    """
    on: date | None = changes.pop("on", None)
    campaign_id = new_campaign_id()
    books: Books = desk.app.state.books
    person: Person | None = desk.app.state.operators.find(token(desk.person))
    assert person is not None
    actor = Actor(person.name, reach=person.reach("desk"))

    async def life(connection: AsyncConnection) -> Answer:
        body = CampaignBody.model_validate(a_campaign(campaign_id, **changes))
        await commands.create_campaign(connection, actor, body)
        filing = FilingBody(filing_number=f"BA-{campaign_id}", on=on)
        await commands.file_campaign(connection, books.announcer, actor, campaign_id, filing)
        launch = StepBody(on=on)
        return Answer.of(
            200, await commands.launch_campaign(connection, books.announcer, actor, campaign_id, launch)
        )

    await books.runner.run(Command("launched", person.name, str(uuid4()), bytes(32)), life)
    return campaign_id


class Source:
    """Makes donation events as the donation service does: one source, gapless sequences."""

    def __init__(self, partition: int = 0) -> None:
        self.name = f"intake.test-{uuid4().hex[:8]}/{partition}"
        self.partition = partition
        self._sequence = -1

    def received(
        self,
        campaign_id: str,
        amount_fen: int,
        at: datetime = AT,
        *,
        pledge_id: str | None = None,
        donation_id: UUID | None = None,
    ) -> Event:
        data = DonationReceivedData(
            donation_id=donation_id or uuid4(),
            channel="test",
            campaign_id=campaign_id,
            amount_fen=amount_fen,
            occurred_at=at,
            received_at=at,
            donor_kind="person",
            pledge_id=None if pledge_id is None else UUID(pledge_id),
        )
        return DonationReceived.at(
            self.name, *self._next(), subject=str(data.donation_id), time=AT, data=data
        )

    def reversed(
        self,
        campaign_id: str,
        amount_fen: int,
        at: datetime = AT,
        *,
        pledge_id: str | None = None,
        donation_id: UUID | None = None,
    ) -> Event:
        data = DonationReversedData(
            reversal_id=uuid4(),
            donation_id=donation_id or uuid4(),
            channel="test",
            campaign_id=campaign_id,
            kind="refund",
            amount_fen=amount_fen,
            occurred_at=at,
            donation_occurred_at=at,
            pledge_id=None if pledge_id is None else UUID(pledge_id),
        )
        return DonationReversed.at(
            self.name, *self._next(), subject=str(data.reversal_id), time=AT, data=data
        )

    def _next(self) -> tuple[int, int | None]:
        previous = self._sequence if self._sequence >= 0 else None
        self._sequence += 1
        return self._sequence, previous

    @property
    def position(self) -> dict[str, int]:
        return {self.name: self._sequence}


def as_records(events: Sequence[Event]) -> list[tuple[bytes | None, bytes]]:
    return [(None, event.to_bytes()) for event in events]
