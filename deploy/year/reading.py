"""What the services say of a played year, read from their public and operators' APIs and nowhere else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.year.office import Office
from deploy.year.player import Played
from deploy.year.terms import Year

TREES: Final = (
    "gala",
    "drive",
    "flood",
    "quake",
    "suqian-yancheng",
    "illness-aid",
    "cancer-drugs",
    "visits",
    "study",
    "smoke-alarms",
    "nursing-homes",
    "judicial",
    "volunteers",
    "cornea",
    "bright",
    "solar",
    "sanitation",
    "books",
    "clothes",
    "scanner",
    "university",
    "biomedical",
)
"""The campaigns that the report names: of these, and their parts, what went out is read one by one."""


@dataclass(frozen=True, slots=True)
class Fund:
    """A campaign's figures in reporting, in fen; `channels`: channel → (net fen, donations)."""

    received_fen: int
    disbursed_fen: int
    goods_received_fen: int
    goods_distributed_fen: int
    promised_fen: int
    channels: dict[str, tuple[int, int]]

    @property
    def raised_fen(self) -> int:
        """What the report calls 募集款物: money and goods that came in."""
        return self.received_fen + self.goods_received_fen

    @property
    def spent_fen(self) -> int:
        """What the report calls 支出: money and goods that went out."""
        return self.disbursed_fen + self.goods_distributed_fen


@dataclass(frozen=True, slots=True)
class Out:
    """One payment, or goods handed out once, with how many it helped."""

    use: str
    to: str
    value_fen: int
    beneficiaries: int
    medicine: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A campaign as the register of campaigns has it."""

    organisation: str
    kind: str
    is_part: bool


@dataclass(frozen=True, slots=True)
class Insurance:
    """What counts of charity insurance in the year: newly covered people by group, and the renewals."""

    new: dict[str, int]
    renewals: int
    renewed_people: int
    largest_claim_fen: int


@dataclass(slots=True)
class Reading:
    """Everything the check needs. Keys are the declared ones, without the run's mark."""

    funds: dict[str, Fund] = field(default_factory=dict)
    listed: dict[str, Listed] = field(default_factory=dict)
    outs: dict[str, list[Out]] = field(default_factory=dict)
    placards: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """(company, promised fen)"""
    parts: dict[str, list[str]] = field(default_factory=dict)
    """Parent → its parts."""
    medicines_fen: int = 0
    """Medicines that came in."""
    partners: int = 0
    """Donors in the terms of the judicial aid fund."""
    organisations: dict[str, tuple[Fund, Fund]] = field(default_factory=dict)
    """(its own, with all below it)"""
    reported: dict[str, Fund] = field(default_factory=dict)
    """The published annual report's table of organisations: of each, and `total` of them all."""
    closing: dict[str, int] = field(default_factory=dict)
    """The annual report's trial balance at the year's end: account → debits less credits, in fen."""
    insurance: Insurance = Insurance({}, 0, 0, 0)

    def tree(self, key: str) -> list[str]:
        """A campaign and its parts, as the services tell it."""
        return [key, *self.parts.get(key, [])]

    def of(self, key: str) -> list[Fund]:
        """The figures of a campaign and its parts."""
        return [self.funds[each] for each in self.tree(key)]

    def out_of(self, key: str) -> list[Out]:
        """What went out of a campaign and its parts."""
        return [out for each in self.tree(key) for out in self.outs[each]]


class Reader:
    """Reads a played run."""

    def __init__(self, office: Office, year: Year, played: Played) -> None:
        self._office = office
        self._year = year
        self._played = played
        self._mark = f"-{played.run}"

    async def read(self) -> Reading:
        """All of it. Raises YearFailed."""
        reading = Reading()
        await self._register(reading)
        keys = list(reading.listed)

        async def fund(key: str) -> None:
            path = f"/v1/campaigns/{self._played.id_of(key)}/totals"
            reading.funds[key] = _fund(await self._office.read("reporting", path))

        async def out(key: str) -> None:
            reading.outs[key] = [*await self._payments(key), *await self._handouts(reading, key)]

        await self._office.each("figures read", keys, fund)
        named = [key for tree in TREES if tree in reading.listed for key in reading.tree(tree)]
        await self._office.each("spending read", named, out)
        for key in reading.tree("gala") + reading.tree("drive"):
            pledges = await self._all(key, "pledges", state="confirmed")
            reading.placards[key] = [(each["company"], each["amount_fen"]) for each in pledges]
        terms = await self._office.read("campaign", f"{self._of('judicial')}/named-fund")
        reading.partners = len(terms["standing"]["donor"].split("、"))
        for organisation in self._year.organisations:
            path = f"/v1/organisations/{self._played.id_of(organisation.key)}/totals"
            found = await self._office.read("reporting", path)
            reading.organisations[organisation.key] = _rolled_up(found["own"]), _rolled_up(found["total"])
        reading.insurance = await self._insurance()
        await self._report(reading)
        return reading

    async def _report(self, reading: Reading) -> None:
        """The annual report's organisations and accounts, as reporting publishes it to everybody."""
        path = f"/v1/reports/{self._played.report_id}"
        found = await self._office.eventually("reporting", path)
        tables = {each["id"]: _rows(each) for each in found["document"]["tables"]}
        reading.closing = {
            account: row["closing_debit_fen"] - row["closing_credit_fen"]
            for account, row in tables["accounts"].items()
        }
        reading.reported = {
            name.removesuffix(self._mark): Fund(
                row["received_fen"] - row["reversed_fen"],
                row["spent_fen"] - row["returned_fen"],
                row["goods_received_fen"],
                row["goods_distributed_fen"] - row["goods_returned_fen"],
                0,
                {},
            )
            for name, row in tables["organisations"].items()
        }

    async def _insurance(self) -> Insurance:
        root = self._played.id_of(self._year.root)
        year = {"first": "2023-01-01", "last": "2023-12-31"}
        found = await self._office.read("campaign", "/v1/insurance-totals", organisation_id=root, **year)
        return Insurance(
            {each["group"]: each["people"] for each in found["new"]["groups"]},
            found["renewed"]["policies"],
            found["renewed"]["people"],
            found["largest_claim_fen"] or 0,
        )

    async def _register(self, reading: Reading) -> None:
        """Which campaigns there are, whose they are, and what they are parts of."""
        for each in await self._office.all("campaign", "/v1/campaigns"):
            if not each["campaign_id"].endswith(self._mark):
                continue
            key = each["campaign_id"].removesuffix(self._mark)
            organisation = each["organisation_id"].removesuffix(self._mark)
            parent = each["parent_id"]
            reading.listed[key] = Listed(organisation, each["kind"], parent is not None)
            if parent is not None:
                reading.parts.setdefault(parent.removesuffix(self._mark), []).append(key)

    async def _payments(self, key: str) -> Sequence[Out]:
        return [
            Out(each["use"], each["payee"], each["amount_fen"] - each["returned_fen"], each["beneficiaries"])
            for each in await self._all(key, "disbursements")
            if each["state"] == "paid"
        ]

    async def _handouts(self, reading: Reading, key: str) -> Iterable[Out]:
        """What was handed out of the goods; adds up the medicines that came in on the way."""
        items = {
            item["item_id"]: item
            for gift in await self._all(key, "goods-gifts")
            if gift["state"] == "confirmed"
            for item in gift["items"]
        }
        medicines = {each for each, item in items.items() if item["category"] == "medicine"}
        reading.medicines_fen += sum(items[each]["value_fen"] for each in medicines)
        return [
            Out(
                each["use"],
                each["recipient"],
                each["value_fen"],
                each["beneficiaries"],
                medicine=all(item["item_id"] in medicines for item in each["items"]),
            )
            for each in await self._all(key, "goods-movements")
            if each["state"] == "done" and each["kind"] == "distribution"
        ]

    def _of(self, key: str) -> str:
        return f"/v1/campaigns/{self._played.id_of(key)}"

    async def _all(self, key: str, what: str, **parameters: str) -> list[dict[str, Any]]:
        return await self._office.all("campaign", f"{self._of(key)}/{what}", **parameters)


def _fund(totals: dict[str, Any]) -> Fund:
    """From a campaign's totals in reporting."""
    return Fund(
        totals["net_fen"],
        totals["disbursed_fen"] - totals["returned_fen"],
        totals["goods_received_fen"],
        totals["goods_distributed_fen"],
        totals["promised_fen"],
        {
            each["channel"]: (each["received_fen"] - each["reversed_fen"], each["donations"])
            for each in totals["channels"]
        },
    )


def _rows(table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A report's table: row → column → cell."""
    columns = [each["id"] for each in table["columns"]]
    return {each["id"]: dict(zip(columns, each["cells"], strict=True)) for each in table["rows"]}


def _rolled_up(figures: dict[str, Any]) -> Fund:
    """From an organisation's totals in reporting."""
    return Fund(
        figures["net_fen"],
        figures["disbursed_fen"] - figures["returned_fen"],
        figures["goods_received_fen"],
        figures["goods_distributed_fen"],
        figures["promised_fen"],
        {},
    )
