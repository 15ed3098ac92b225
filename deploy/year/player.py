"""Plays a declared year on running services, in the order of a year: organisations, campaigns, promises,
gifts, goods, settlements, spending. It knows only the public interfaces and the channels' topics.
"""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from deploy.year import giving, online
from deploy.year.giving import Message
from deploy.year.office import Office, Told
from deploy.year.online import Given
from deploy.year.settling import Settlement, settlements
from deploy.year.terms import (
    BANK,
    BANK_TITLE,
    ONLINE,
    SHANGHAI,
    Campaign,
    Goods,
    Organisation,
    Payment,
    Placard,
    Policy,
    Year,
)

CHANNELS: Final = {**ONLINE, BANK: BANK_TITLE}
DICE: Final = 2023
KNOWN_S: Final = 60.0
ARRIVED_S: Final = 240.0
LOOK_S: Final = 0.5
EARLY_FILING: Final = timedelta(days=12)
LATE_FILING: Final = timedelta(days=6)
ASKED_BEFORE: Final = timedelta(days=2)
INSURANCE: Final = "慈善保险"
INSURED_ON: Final = date(2023, 2, 1)
INSURED_FOR: Final = timedelta(days=364)
CLAIMED_ON: Final = date(2023, 6, 1)
MEDICINE_KEEPS: Final = timedelta(days=730)
LEAST_GOAL_FEN: Final = 10**6
BANK_ACCOUNT: Final = "1002"
FROM_CHANNELS: Final = "112201"
"""Of the chart of accounts: 银行存款, 应收渠道款."""


@dataclass(slots=True)
class Played:
    """A run: its mark, which every id of it ends with, its scale, and how much was sent."""

    run: str
    scale: int
    donations: int = 0
    donations_fen: int = 0
    report_id: str = ""
    """Of the published annual report."""
    pledges: dict[tuple[str, str], str] = field(default_factory=dict)
    """(campaign's key, placard's number) → pledge_id"""

    def id_of(self, key: str) -> str:
        """The id that a declared key has in this run."""
        return f"{key}-{self.run}"


class Player:
    """One run of the year. `secrets`: channel → signing secret, kept up here; `urls` by service."""

    def __init__(
        self,
        office: Office,
        year: Year,
        *,
        scale: int,
        secrets: dict[str, str],
        kafka: Sequence[str],
        namespace: str,
        intake_url: str,
        told: Told,
    ) -> None:
        self._office = office
        self._year = year
        self._secrets = secrets
        self._kafka = kafka
        self._namespace = namespace
        self._intake_url = intake_url
        self._told = told
        self.played = Played(uuid.uuid4().hex[:4], scale)

    async def play(self) -> Played:
        """The whole year. Raises YearFailed."""
        await self._register_channels()
        for organisation in self._year.organisations:
            await self._organisation(organisation)
        campaigns = self._year.campaigns
        tops = [each for each in campaigns if each.parent is None]
        parts = [each for each in campaigns if each.parent is not None]
        await self._office.each("campaigns", tops, self._campaign)
        await self._office.each("parts of campaigns", parts, self._part)
        named = [each for each in campaigns if each.named_fund is not None]
        await self._office.each("named funds", named, self._named_fund)
        placards = [(each, placard) for each in campaigns for placard in each.placards]
        await self._office.each("placards", placards, self._pledge)
        goods = [(each, given) for each in campaigns for given in each.goods]
        await self._office.each("goods in kind", goods, self._goods)
        await self._known()
        given = online.donations(self._year, self.played.scale, DICE)
        await self._give(given)
        await self._arrived()
        await self._office.each("settlements", list(settlements(self._year, given)), self._settle)
        payments = [(each, payment) for each in campaigns for payment in each.payments]
        await self._office.each("payments", payments, self._pay)
        policies = [(each, policy) for each in campaigns for policy in each.policies]
        await self._office.each("insurance", policies, self._insure)
        closing = [each for each in campaigns if each.closed_on is not None]
        await self._office.each("campaigns closed", closing, self._close)
        await self._office.each("annual report", [self._year.root], self._report)
        return self.played

    async def _register_channels(self) -> None:
        for channel, title in CHANNELS.items():
            if channel not in self._secrets:
                body = {"channel": channel, "title": title}
                answer = await self._office.command("administrator", "/v1/channels", body, service="donation")
                self._secrets[channel] = answer["secret"]

    async def _organisation(self, organisation: Organisation) -> None:
        """Into the register; its name has the run's mark, for a name stands there once."""
        above = organisation.parent
        await self._office.command(
            "administrator",
            "/v1/organisations",
            {
                "organisation_id": self.played.id_of(organisation.key),
                "parent_id": above and self.played.id_of(above),
                "name": organisation.name.replace("示例", f"示例 {self.played.run}"),
                "name_en": f"{organisation.name_en} {self.played.run}",
                "licence": organisation.licence,
                "contact": "0512-0000 0000",
                "query_method": "示例网址 charity.example.org",
            },
        )

    async def _campaign(self, campaign: Campaign) -> None:
        """Draft, filing, launch; an emergency appeal launches first and files within ten days (art. 73)."""
        campaign_id = self.played.id_of(campaign.key)
        await self._office.command("desk", "/v1/campaigns", self._plan(campaign))
        late = campaign.kind == "emergency_appeal"
        filed_on = campaign.first + (LATE_FILING if late else -EARLY_FILING)
        filing = {"filing_number": f"示例备案 {campaign_id}", "on": f"{filed_on}"}
        steps: list[tuple[str, dict[str, str]]] = [("file", filing), ("launch", {"on": f"{campaign.first}"})]
        if late:
            steps.reverse()
        for step, body in steps:
            await self._office.command("desk", f"/v1/campaigns/{campaign_id}/{step}", body)

    async def _part(self, campaign: Campaign) -> None:
        """A county's part, under the filing number of its parent."""
        campaign_id, parent_id = self.played.id_of(campaign.key), self.played.id_of(campaign.parent or "")
        body = {
            "campaign_id": campaign_id,
            "organisation_id": self.played.id_of(campaign.organisation),
            "part_kind": campaign.part,
            "title": campaign.title,
            "title_en": campaign.title_en,
            "goal_fen": _goal_fen(campaign),
            "uses": list(campaign.uses),
        }
        await self._office.command("desk", f"/v1/campaigns/{parent_id}/parts", body)
        launch = {"on": f"{campaign.first}"}
        await self._office.command("desk", f"/v1/campaigns/{campaign_id}/launch", launch)

    def _plan(self, campaign: Campaign) -> dict[str, Any]:
        """The filed plan (Charity Law art. 24)."""
        return {
            "campaign_id": self.played.id_of(campaign.key),
            "organisation_id": self.played.id_of(campaign.organisation),
            "kind": campaign.kind,
            "title": campaign.title,
            "title_en": campaign.title_en,
            "goal_fen": _goal_fen(campaign),
            "purpose": campaign.purpose,
            "window_start": _moment(campaign.first),
            "window_end": _moment(campaign.last + timedelta(days=1)),
            "area": "江苏省",
            "responsible_person": "示例负责人",
            "account": "示例银行 0000 0000 0000",
            "beneficiaries": campaign.beneficiaries,
            "uses": list(campaign.uses),
            "cost_fen": 0,
            "remainder": "用于相同或者相近的慈善项目",
            "contact": "0512-0000 0000",
            "query_method": "示例网址 charity.example.org",
        }

    async def _named_fund(self, campaign: Campaign) -> None:
        """The terms of its donors, written by one person and confirmed by another."""
        path = f"/v1/campaigns/{self.played.id_of(campaign.key)}/named-fund"
        body = {
            "name": campaign.title,
            "donor": "、".join(gift.donor for gift in campaign.gifts),
            "wish": campaign.named_fund,
            "agreement": f"示例协议 {self.played.id_of(campaign.key)}",
            "signed_on": f"{campaign.first}",
            "reason": "设立",
        }
        written = await self._office.command("desk", path, body)
        await self._office.command("finance", f"{path}/confirm", {}, version=written["version"])

    async def _known(self) -> None:
        """Wait until reporting, and so the other readers of campaigns, know all of them."""
        wanted = {self.played.id_of(each.key) for each in self._year.campaigns}
        async with asyncio.timeout(KNOWN_S):
            while True:
                found = await self._office.read("reporting", "/v1/campaigns")
                launched = {
                    each["campaign_id"] for each in found["campaigns"] if each["status"] == "launched"
                }
                if wanted <= launched:
                    return
                await asyncio.sleep(LOOK_S)

    async def _pledge(self, job: tuple[Campaign, Placard]) -> None:
        """One person enters the placard, another reads it back."""
        campaign, placard = job
        path = f"/v1/campaigns/{self.played.id_of(campaign.key)}/pledges"
        body: dict[str, Any] = {
            "company": placard.company,
            "display": "name",
            "amount_fen": placard.amount_fen,
            "promised_on": f"{campaign.first}",
            "due_on": f"{placard.due_on}",
            "placard": placard.number,
        }
        if placard.goods is not None:
            goods = placard.goods
            body["goods"] = {
                "description": goods.description,
                "quantity": goods.quantity,
                "unit": goods.unit,
                "basis": goods.basis,
            }
        entered = await self._office.command("desk", path, body)
        pledge_id = entered["pledge_id"]
        await self._office.command(
            "finance",
            f"/v1/pledges/{pledge_id}/confirm",
            {"amount_fen": placard.amount_fen},
            version=entered["version"],
        )
        self.played.pledges[campaign.key, placard.number] = pledge_id

    async def _goods(self, job: tuple[Campaign, Goods]) -> None:
        """Taken in by one person and counted by another; out again by two more people's hands."""
        campaign, given = job
        base = f"/v1/campaigns/{self.played.id_of(campaign.key)}"
        entered = await self._office.command("desk", f"{base}/goods-gifts", _goods_body(given))
        confirm = f"/v1/goods-gifts/{entered['gift_id']}/confirm"
        counted = await self._office.command(
            "finance", confirm, {"value_fen": given.value_fen}, version=entered["version"]
        )
        (item,) = counted["items"]
        for handout in given.handouts:
            asked = {
                "items": [{"item_id": item["item_id"], "quantity": handout.quantity}],
                "use": handout.use,
                "recipient": handout.recipient,
                "beneficiaries": handout.beneficiaries,
                "beneficiary_unit": handout.unit,
                "distributed_on": f"{handout.day}",
            }
            moving = await self._office.command("desk", f"{base}/goods-distributions", asked)
            approve = f"/v1/goods-movements/{moving['movement_id']}/approve"
            await self._office.command("approver", approve, {}, version=moving["version"])
        if given.placard is not None:
            await self._deliver(campaign, given)

    async def _deliver(self, campaign: Campaign, given: Goods) -> None:
        """Goods that keep a promise: the delivery, seen by two people."""
        pledge = f"/v1/pledges/{self.played.pledges[campaign.key, given.placard or '']}"
        body = {
            "quantity": given.quantity,
            "value_fen": given.value_fen,
            "delivered_on": f"{given.day}",
            "reason": given.document,
        }
        asked = await self._office.command("desk", f"{pledge}/delivery", body)
        await self._office.command("finance", f"{pledge}/delivery/confirm", {}, version=asked["version"])

    async def _give(self, given: Sequence[Given]) -> None:
        """All donations: companies by the bank's signed HTTP, the public straight into Kafka and, every
        BY_HTTP-th, by signed HTTP too.
        """
        run, id_of = self.played.run, self.played.id_of
        messages = [
            giving.online_message(number, each, run, id_of(each.campaign))
            for number, each in enumerate(given)
        ]
        by_http = self._bank_messages() + messages[:: giving.BY_HTTP]
        by_kafka = [each for number, each in enumerate(messages) if number % giving.BY_HTTP]
        self.played.donations = len(by_http) + len(by_kafka)
        done = [0, 0]

        def told(index: int, count: int) -> None:
            done[index] = count
            self._told("donations", sum(done), self.played.donations)

        await asyncio.gather(
            giving.send(self._intake_url, self._secrets, by_http, lambda count: told(0, count)),
            giving.publish(self._kafka, self._namespace, iter(by_kafka), lambda count: told(1, count)),
        )

    def _bank_messages(self) -> list[Message]:
        gifts = [(campaign, gift) for campaign in self._year.campaigns for gift in campaign.gifts]
        gifts.sort(key=lambda each: each[1].day)
        return [
            giving.bank_message(
                number,
                gift,
                self.played.run,
                self.played.id_of(campaign.key),
                self.played.pledges[campaign.key, gift.placard] if gift.placard else None,
            )
            for number, (campaign, gift) in enumerate(gifts)
        ]

    async def _arrived(self) -> None:
        """Wait until every donation is counted in reporting."""
        ours = {self.played.id_of(each.key) for each in self._year.campaigns}
        async with asyncio.timeout(ARRIVED_S):
            while True:
                found = await self._office.read("reporting", "/v1/campaigns")
                counted = sum(each["donations"] for each in found["campaigns"] if each["campaign_id"] in ours)
                self._told("donations counted", counted, self.played.donations)
                if counted >= self.played.donations:
                    return
                await asyncio.sleep(LOOK_S)

    async def _settle(self, settlement: Settlement) -> None:
        """What the channels owed is in the bank: a voucher, written by one person and booked by another."""
        sides = ((BANK_ACCOUNT, "debit"), (FROM_CHANNELS, "credit"))
        voucher = {
            "day": f"{settlement.day}",
            "note": f"渠道结算到账（示例回单 {self.played.run}-{settlement.day}）",
            "postings": [
                {
                    "account": account,
                    "campaign_id": self.played.id_of(key),
                    "side": side,
                    "amount_fen": amount_fen,
                }
                for key, amount_fen in settlement.amounts
                for account, side in sides
            ],
        }
        written = await self._office.command("finance", "/v1/ledger/vouchers", voucher)
        path = f"/v1/ledger/drafts/{written['draft_id']}/book"
        await self._office.command("approver", path, {}, version=written["version"])

    async def _pay(self, job: tuple[Campaign, Payment]) -> str:
        """Asked for by one person, approved by another, paid by a third. Gives the disbursement's id."""
        campaign, payment = job
        asked = {
            "amount_fen": payment.amount_fen,
            "use": payment.use,
            "payee": payment.payee,
            "beneficiaries": payment.beneficiaries,
            "beneficiary_unit": payment.unit,
            "requested_on": f"{payment.day - ASKED_BEFORE}",
        }
        path = f"/v1/campaigns/{self.played.id_of(campaign.key)}/disbursements"
        wanted = await self._office.command("desk", path, asked)
        disbursement_id: str = wanted["disbursement_id"]
        each = f"/v1/disbursements/{disbursement_id}"
        approved = await self._office.command("approver", f"{each}/approve", {}, version=wanted["version"])
        paid = {"paid_on": f"{payment.day}"}
        await self._office.command("finance", f"{each}/pay", paid, version=approved["version"])
        return disbursement_id

    async def _insure(self, job: tuple[Campaign, Policy]) -> None:
        """The premium is paid, the policy and its claims are recorded by one person and seen by another."""
        campaign, policy = job
        people = sum(count for _, count in policy.covered)
        premium = Payment(policy.premium_fen, INSURANCE, policy.insurer, INSURED_ON, people, "person_times")
        disbursement_id = await self._pay((campaign, premium))
        path = f"/v1/campaigns/{self.played.id_of(campaign.key)}/insurance-policies"
        body = {
            "title": policy.title,
            "insurer": policy.insurer,
            "policy_number": f"PL-{self.played.id_of(campaign.key)}-{policy.title}",
            "starts_on": f"{INSURED_ON}",
            "ends_on": f"{INSURED_ON + INSURED_FOR}",
            "premium_fen": policy.premium_fen,
            "cap_fen": policy.cap_fen,
            "groups": [{"group": group, "people": count} for group, count in policy.covered],
            "renewed": policy.renewed,
        }
        entered = await self._office.command("desk", path, body)
        each = f"/v1/insurance-policies/{entered['policy_id']}"
        paid = {"disbursement_id": disbursement_id}
        await self._office.command("finance", f"{each}/confirm", paid, version=entered["version"])
        for number, claim_fen in enumerate(policy.claims_fen, 1):
            claim = {
                "claim_number": f"CL-{number}",
                "group": policy.covered[0][0],
                "amount_fen": claim_fen,
                "occurred_on": f"{CLAIMED_ON}",
                "paid_on": f"{CLAIMED_ON + ASKED_BEFORE}",
            }
            asked = await self._office.command("desk", f"{each}/claims", claim)
            confirm = f"/v1/insurance-claims/{asked['claim_id']}/confirm"
            await self._office.command("finance", confirm, {}, version=asked["version"])

    async def _close(self, campaign: Campaign) -> None:
        """On its day, with its parts: everything that was given to it is counted by now."""
        path = f"/v1/campaigns/{self.played.id_of(campaign.key)}/close"
        await self._office.command("desk", path, {"on": f"{campaign.closed_on}"})

    async def _report(self, organisation: str) -> None:
        """The annual report of an organisation, drawn up by one person and published by another (art. 78)."""
        body = {
            "kind": "annual",
            "organisation_id": self.played.id_of(organisation),
            "period_from": "2023-01-01",
        }
        drawn = await self._office.command("finance", "/v1/disclosure/reports", body)
        self.played.report_id = drawn["report_id"]
        path = f"/v1/disclosure/reports/{drawn['report_id']}/publish"
        read = {"digest": drawn["digest"]}
        await self._office.command("approver", path, read, version=drawn["version"])


def _goal_fen(campaign: Campaign) -> int:
    """What a campaign is out for: all that it is promised or given, at least some."""
    return max(campaign.received_fen, campaign.promised_fen, LEAST_GOAL_FEN)


def _goods_body(given: Goods) -> dict[str, Any]:
    item: dict[str, Any] = {
        "description": given.description,
        "category": given.category,
        "quantity": given.quantity,
        "unit": given.unit,
        "value_fen": given.value_fen,
        "basis": given.basis,
        "document": given.document,
        "store": "示例仓库",
    }
    if given.category == "medicine":
        item |= {"batch": given.document, "expires_on": f"{given.day + MEDICINE_KEEPS}"}
    return {
        "donor": given.donor,
        "donor_kind": "company",
        "display": "name",
        "received_on": f"{given.day}",
        "items": [item],
    }


def _moment(day: date) -> str:
    """The beginning of a day in Asia/Shanghai."""
    return datetime.combine(day, time(), SHANGHAI).isoformat()
