"""What the reporting service asks of its database. One statement reads a campaign: one snapshot."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.reporting import companies, erasing, messages
from services.reporting.disclosure import queries as reports
from services.reporting.proof import digest_of, version_of
from services.reporting.ranking import COMPANIES_SHOWN
from services.reporting.tally import (
    CampaignEvent,
    Donors,
    GoodsEvent,
    OrganisationEvent,
    PledgeEvent,
    SpendingEvent,
    Sums,
    Tally,
    minute_start,
)
from services.reporting.totals import (
    MESSAGES_SHOWN,
    RECENT_SHOWN,
    Amounts,
    CampaignPlan,
    CampaignState,
    CampaignStatus,
    ChannelTotal,
    OrganisationName,
)
from services.reporting.trees import with_trees
from shared.dead_letters import DeadLetter
from shared.events import (
    Event,
    FundsDisbursed,
    GoodsDistributed,
    GoodsReceived,
    GoodsReturned,
    GoodsReversed,
    GoodsWrittenOff,
    MilestoneReached,
    PledgeCorrected,
    PledgeMade,
    PledgeReleased,
)

ARRIVALS_KEPT: Final = timedelta(days=2)

_TOTAL_COUNTS: Final = (
    "received_fen",
    "reversed_fen",
    "donations",
    "reversals",
    "held",
    "held_fen",
    "released",
    "released_fen",
    "conflicts",
)
_MINUTE_COUNTS: Final = ("received_fen", "reversed_fen", "donations", "reversals")
_ARRIVAL_COUNTS: Final = ("received_fen", "donations")


def _growth(table: str, keys: Mapping[str, str], counts: Sequence[str]) -> str:
    """What adds many rows' growth to a table: INSERT … SELECT unnest(…) ON CONFLICT DO UPDATE.

    `keys` are the key columns with their types. Given sorted keys, two of these can't deadlock; 136,000
    rows/s a connection (facts). Names come from this file only.
    """
    columns = {**keys, **dict.fromkeys(counts, "bigint")}
    growth = ", ".join(f"{count} = {table}.{count} + excluded.{count}" for count in counts)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({_arrays(table, columns)})"  # noqa: S608
        f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {growth}"
    )


def _arrays(table: str, columns: Mapping[str, str]) -> str:
    """One array a column: `:table_column`."""
    return ", ".join(f"CAST(:{table}_{column} AS {kind}[])" for column, kind in columns.items())


_TOTAL_KEYS: Final = {"campaign_id": "text", "channel": "text", "source": "text"}
_MINUTE_KEYS: Final = {"campaign_id": "text", "minute": "timestamptz", "channel": "text", "source": "text"}
_DONOR_COLUMNS: Final = {
    "campaign_id": "text",
    "source": "text",
    "sequence": "bigint",
    "donation_id": "uuid",
    "channel": "text",
    "donor_kind": "text",
    "shown_name": "text",
    "amount_fen": "bigint",
    "occurred_at": "timestamptz",
    "received_at": "timestamptz",
}
_LIST_COLUMNS: Final = {"campaign_id": "text", "source": "text", "kept": "bigint", "added": "bigint"}
# One statement, for each takes a round trip of its own. All parts see the tables as they were before it, so
# of the donors that were there as many are kept as the new ones leave room for. The index is read from the
# newest on and no further than the last that goes: behind it lie thousands of dead entries.
_ADD_UP: Final = text(
    f"WITH totals AS ({_growth('campaign_totals', _TOTAL_KEYS, _TOTAL_COUNTS)}),"  # noqa: S608 - this file's names
    f" minutes AS ({_growth('minute_totals', _MINUTE_KEYS, _MINUTE_COUNTS)}),"
    f" pace AS ({_growth('arrivals', _MINUTE_KEYS, _ARRIVAL_COUNTS)}),"
    " old AS (DELETE FROM recent_donors WHERE ctid = ANY(ARRAY(SELECT beyond.ctid"
    f" FROM unnest({_arrays('lists', _LIST_COLUMNS)}) AS list ({', '.join(_LIST_COLUMNS)})"
    " CROSS JOIN LATERAL (SELECT newest.ctid FROM recent_donors AS newest"
    "  WHERE newest.campaign_id = list.campaign_id AND newest.source = list.source"
    "  ORDER BY newest.sequence DESC OFFSET list.kept LIMIT list.added) AS beyond)))"
    f" INSERT INTO recent_donors ({', '.join(_DONOR_COLUMNS)})"
    f" SELECT * FROM unnest({_arrays('recent_donors', _DONOR_COLUMNS)}) ON CONFLICT DO NOTHING"
)


async def write(connection: AsyncConnection, changes: Tally) -> None:
    """Write what a batch changes, in the transaction that has moved its marks."""
    if changes.totals:
        await connection.execute(
            _ADD_UP,
            {
                **_sums("campaign_totals", _TOTAL_KEYS, changes.totals, _TOTAL_COUNTS),
                **_sums("minute_totals", _MINUTE_KEYS, changes.minutes, _MINUTE_COUNTS),
                **_sums("arrivals", _MINUTE_KEYS, changes.arrivals, _ARRIVAL_COUNTS),
                **_donors(changes.donors),
            },
        )
    await _write_names(connection, changes)
    await _write_facts(connection, changes)


def _sums(
    table: str, keys: Iterable[str], rows: Mapping[Any, Sums], counts: Sequence[str]
) -> dict[str, list[Any]]:
    """The arrays of a table's growth, in the order of the keys; minutes become moments."""
    ordered = sorted(rows.items(), key=lambda row: row[0])
    columns: dict[str, list[Any]] = {
        f"{table}_{name}": [key[place] for key, _ in ordered] for place, name in enumerate(keys)
    }
    if minutes := columns.get(f"{table}_minute"):
        columns[f"{table}_minute"] = [minute_start(minute) for minute in minutes]
    return columns | {f"{table}_{count}": [getattr(sums, count) for _, sums in ordered] for count in counts}


def _donors(newest: Mapping[tuple[str, str], Donors]) -> dict[str, list[Any]]:
    """The arrays of the new donors, and of the lists they belong to: RECENT_SHOWN are kept of each campaign
    and source, and so the newest of all are among them.
    """
    donors = [donor for each in newest.values() for donor in each]
    lists = sorted(newest)
    return {
        "recent_donors_source": [donor.source for donor in donors],
        "recent_donors_sequence": [donor.sequence for donor in donors],
        **{
            f"recent_donors_{column}": [getattr(donor.data, column) for donor in donors]
            for column in _DONOR_COLUMNS
            if column not in ("source", "sequence")
        },
        "lists_campaign_id": [campaign for campaign, _ in lists],
        "lists_source": [source for _, source in lists],
        "lists_kept": [RECENT_SHOWN - len(newest[each]) for each in lists],
        "lists_added": [len(newest[each]) for each in lists],
    }


_DROP_DONORS: Final = text(
    "INSERT INTO dropped_donors (donation_id, campaign_id)"
    " SELECT * FROM unnest(CAST(:donations AS uuid[]), CAST(:campaigns AS text[])) ON CONFLICT DO NOTHING"
)


async def _write_names(connection: AsyncConnection, changes: Tally) -> None:
    """Who is not shown any more, which companies are, and what was said."""
    if dropped := sorted(changes.dropped.items()):
        donations, campaigns = zip(*dropped, strict=True)
        await connection.execute(_DROP_DONORS, {"donations": list(donations), "campaigns": list(campaigns)})
    if changes.gifts:
        await companies.write(connection, changes.gifts)
    if changes.messages:
        await messages.write(connection, changes.messages)
    if changes.erased:
        await erasing.write(connection, changes.erased)


async def _write_facts(connection: AsyncConnection, changes: Tally) -> None:
    """What is of low rate, one after the other."""
    for event, status in changes.campaigns.values():
        await _write_campaign(connection, event, status)
    for organisation in changes.organisations.values():
        await _write_organisation(connection, organisation)
    for milestone in changes.milestones:
        await _write_milestone(connection, milestone)
    for pledge in changes.pledges:
        await _write_pledge(connection, pledge)
    for disbursement in changes.disbursements:
        await _write_disbursement(connection, disbursement)
    for goods in changes.goods:
        await _write_goods(connection, goods)
    for report in changes.reports:
        await reports.write_report(connection, report)


_PLAN_COLUMNS: Final = (
    "campaign_id",
    "kind",
    "title",
    "title_en",
    "organisation_id",
    "organisation",
    "licence",
    "filing_number",
    "contact",
    "query_method",
    "purpose",
    "goal_fen",
    "milestones_fen",
    "window_start",
    "window_end",
    "changed_at",
    "filing_due_on",
    "parent_id",
    "part_kind",
)
_PUT_CAMPAIGN = text(
    f"INSERT INTO campaigns (status, {', '.join(_PLAN_COLUMNS)})"  # noqa: S608 - this file's own names
    f" VALUES (:status, {', '.join(f':{column}' for column in _PLAN_COLUMNS)})"
    " ON CONFLICT (campaign_id) DO UPDATE SET status = excluded.status, "
    + ", ".join(f"{column} = excluded.{column}" for column in _PLAN_COLUMNS[1:])
)
_PUT_MILESTONE = text(
    "INSERT INTO reached_milestones (campaign_id, milestone_fen, reached_at)"
    " VALUES (:campaign_id, :milestone_fen, :reached_at) ON CONFLICT DO NOTHING"
)
_PUT_PLEDGE = text(
    "INSERT INTO pledges (pledge_id, campaign_id, company, amount_fen, due_on, promised_at)"
    " VALUES (:pledge_id, :campaign_id, :company, :amount_fen, :due_on, :promised_at) ON CONFLICT DO NOTHING"
)
_PLEDGE_COLUMNS: Final = ("pledge_id", "campaign_id", "company", "amount_fen", "due_on")
_CORRECT_PLEDGE = text(
    "UPDATE pledges SET company = :company, amount_fen = :amount_fen, due_on = :due_on"
    " WHERE pledge_id = :pledge_id AND campaign_id = :campaign_id"
)
_RELEASE_PLEDGE = text("UPDATE pledges SET released_fen = :released_fen WHERE pledge_id = :pledge_id")
_PUT_DISBURSEMENT = text(
    "INSERT INTO disbursements"
    " (disbursement_id, campaign_id, amount_fen, use, beneficiaries, beneficiary_unit, paid_at) VALUES"
    " (:disbursement_id, :campaign_id, :amount_fen, :use, :beneficiaries, :beneficiary_unit, :paid_at)"
    " ON CONFLICT DO NOTHING"
)
_ADD_RETURN = text(
    "UPDATE disbursements SET returned_fen = returned_fen + :amount_fen"
    " WHERE disbursement_id = :disbursement_id"
)


async def _write_campaign(connection: AsyncConnection, event: CampaignEvent, status: CampaignStatus) -> None:
    plan = event.data.model_dump(include=set(_PLAN_COLUMNS))
    await connection.execute(
        _PUT_CAMPAIGN, {**plan, "milestones_fen": list(event.data.milestones_fen), "status": status}
    )


_ORGANISATION_COLUMNS: Final = (
    "organisation_id",
    "parent_id",
    "version",
    "name",
    "name_en",
    "licence",
    "contact",
    "query_method",
)
_PUT_ORGANISATION = text(
    f"INSERT INTO organisations ({', '.join(_ORGANISATION_COLUMNS)})"  # noqa: S608 - this file's own names
    f" VALUES ({', '.join(f':{column}' for column in _ORGANISATION_COLUMNS)})"
    " ON CONFLICT (organisation_id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _ORGANISATION_COLUMNS[1:])
)


async def _write_organisation(connection: AsyncConnection, event: OrganisationEvent) -> None:
    await connection.execute(_PUT_ORGANISATION, event.data.model_dump(include=set(_ORGANISATION_COLUMNS)))


async def _write_milestone(connection: AsyncConnection, event: MilestoneReached) -> None:
    data = event.data.model_dump(include={"campaign_id", "milestone_fen"})
    await connection.execute(_PUT_MILESTONE, {**data, "reached_at": event.time})


async def _write_pledge(connection: AsyncConnection, event: PledgeEvent) -> None:
    """Promised, promised otherwise, or no longer asked for, which lowers nothing (art. 41)."""
    match event:
        case PledgeMade(data=made):
            terms = made.model_dump(include=set(_PLEDGE_COLUMNS))
            await connection.execute(_PUT_PLEDGE, {**terms, "promised_at": event.time})
        case PledgeCorrected(data=corrected):
            await connection.execute(_CORRECT_PLEDGE, corrected.model_dump(include=set(_PLEDGE_COLUMNS)))
        case PledgeReleased(data=released):
            amount = released.model_dump(include={"pledge_id", "released_fen"})
            await connection.execute(_RELEASE_PLEDGE, amount)


async def _write_disbursement(connection: AsyncConnection, event: SpendingEvent) -> None:
    """Money that went out, or came back of it: the disbursement lies before its return in every partition."""
    if isinstance(event, FundsDisbursed):
        await connection.execute(_PUT_DISBURSEMENT, {**event.data.model_dump(), "paid_at": event.time})
    else:
        back = event.data.model_dump(include={"disbursement_id", "amount_fen"})
        await connection.execute(_ADD_RETURN, back)


_PUT_GOODS = text(
    "INSERT INTO goods_movements (movement_id, campaign_id, kind, value_fen, happened_on, shown_name, use,"
    " beneficiaries, beneficiary_unit) VALUES (:movement_id, :campaign_id, :kind, :value_fen, :happened_on,"
    " :shown_name, :use, :beneficiaries, :beneficiary_unit) ON CONFLICT DO NOTHING"
)
_GOODS_FACTS: Final[Mapping[type[Event], tuple[str, str, str]]] = {
    GoodsReceived: ("gift_id", "received", "received_on"),
    GoodsReversed: ("reversal_id", "reversed", "reversed_on"),
    GoodsDistributed: ("distribution_id", "distributed", "distributed_on"),
    GoodsReturned: ("return_id", "returned", "returned_on"),
    GoodsWrittenOff: ("write_off_id", "written_off", "written_off_on"),
}
"""Of each event: its id, its kind here, its day."""


async def _write_goods(connection: AsyncConnection, event: GoodsEvent) -> None:
    own_id, kind, day = _GOODS_FACTS[type(event)]
    said = event.data.model_dump()
    optional = {name: said.get(name) for name in ("shown_name", "use", "beneficiaries", "beneficiary_unit")}
    facts = {"movement_id": said[own_id], "kind": kind, "happened_on": said[day]}
    amount = {name: said[name] for name in ("campaign_id", "value_fen")}
    await connection.execute(_PUT_GOODS, {**facts, **amount, **optional})


_PUT_DEAD_LETTERS = text(
    "INSERT INTO dead_letters (topic, partition, record_offset, reason, detail, at)"
    " SELECT * FROM unnest(CAST(:topic AS text[]), CAST(:partition AS integer[]), CAST(:offset AS bigint[]),"
    " CAST(:reason AS text[]), CAST(:detail AS text[]), CAST(:at AS timestamptz[])) ON CONFLICT DO NOTHING"
)


async def write_dead_letters(connection: AsyncConnection, letters: Iterable[DeadLetter]) -> None:
    """Note where unusable records lie. The same record may be buried twice: its origin is its identity."""
    rows = sorted(letters, key=lambda letter: (letter.topic, letter.partition, letter.offset))
    await connection.execute(
        _PUT_DEAD_LETTERS,
        {
            "topic": [letter.topic for letter in rows],
            "partition": [letter.partition for letter in rows],
            "offset": [letter.offset for letter in rows],
            "reason": [letter.reason for letter in rows],
            "detail": [letter.detail for letter in rows],
            "at": [letter.failed_at for letter in rows],
        },
    )


_PUT_GAPS = text(
    "INSERT INTO gaps (source, awaited_sequence, out_of_order, first_seen_at, last_seen_at)"
    " SELECT early.source, max(early.sequence), count(*), now(), now()"
    " FROM unnest(CAST(:source AS text[]), CAST(:sequence AS bigint[])) AS early (source, sequence)"
    " JOIN marks ON marks.source = early.source AND marks.sequence < early.sequence"
    " GROUP BY early.source ORDER BY early.source"
    " ON CONFLICT (source) DO UPDATE SET"
    " awaited_sequence = greatest(gaps.awaited_sequence, excluded.awaited_sequence),"
    " out_of_order = gaps.out_of_order + excluded.out_of_order, last_seen_at = excluded.last_seen_at,"
    " first_seen_at = CASE WHEN gaps.awaited_sequence >"
    " (SELECT sequence FROM marks WHERE marks.source = gaps.source)"
    " THEN gaps.first_seen_at ELSE excluded.first_seen_at END"
)


async def write_gaps(connection: AsyncConnection, passed_over: Iterable[Event]) -> None:
    """Note the events among those passed over that came too early: their mark is still below them.

    The rest were repeats. Only marks say which, so call it in the transaction that has moved them.
    """
    events = list(passed_over)
    if events:
        await connection.execute(
            _PUT_GAPS,
            {"source": [event.source for event in events], "sequence": [event.sequence for event in events]},
        )


_STATES = """
SELECT c.*, totals.channels, recent.donors, ranked.companies, approved.messages, gone.dropped,
       positions.sources, positions.sequences,
       (SELECT max(milestone_fen) FROM reached_milestones AS m WHERE m.campaign_id = c.campaign_id)
           AS milestone_fen,
       promised.*, spent.*, goods.*, statement_timestamp() AS as_of
FROM campaigns AS c
CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(part ORDER BY part.channel), '[]')::text AS channels
    FROM (SELECT t.channel, sum(t.received_fen)::bigint AS received_fen,
                 sum(t.reversed_fen)::bigint AS reversed_fen,
                 sum(t.received_fen - t.reversed_fen)::bigint AS net_fen,
                 sum(t.donations)::bigint AS donations, sum(t.reversals)::bigint AS reversals
          FROM campaign_totals AS t WHERE t.campaign_id = c.campaign_id GROUP BY t.channel) AS part
) AS totals
CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(donor) FILTER (WHERE NOT EXISTS (
               SELECT 1 FROM dropped_donors AS d WHERE d.donation_id = donor.donation_id
           )), '[]')::text AS donors
    FROM (SELECT r.donation_id, r.shown_name AS name, r.donor_kind AS kind, r.amount_fen, r.channel,
                 r.occurred_at AS at
          FROM (SELECT DISTINCT source FROM campaign_totals AS t WHERE t.campaign_id = c.campaign_id) AS list
          CROSS JOIN LATERAL (
              SELECT * FROM recent_donors AS newest
              WHERE newest.campaign_id = c.campaign_id AND newest.source = list.source
              ORDER BY newest.sequence DESC LIMIT :recent
          ) AS r
          ORDER BY r.received_at DESC, r.source, r.sequence DESC LIMIT :recent) AS donor
) AS recent
CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(company), '[]')::text AS companies
    FROM (SELECT s.company AS name, s.net_fen
          FROM company_sums AS s WHERE s.campaign_id = c.campaign_id AND s.net_fen > 0
          ORDER BY s.net_fen DESC, s.company LIMIT :companies) AS company
) AS ranked
CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(shown), '[]')::text AS messages
    FROM (SELECT m.message_id, m.shown_name AS name, m.text, m.approved_at AS at
          FROM messages AS m WHERE m.campaign_id = c.campaign_id
          ORDER BY m.approved_at DESC, m.message_id DESC LIMIT :messages) AS shown
) AS approved
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(donation_id), '{}') AS dropped
    FROM (SELECT donation_id FROM dropped_donors AS d WHERE d.campaign_id = c.campaign_id
          ORDER BY d.dropped_at DESC, d.donation_id LIMIT :recent) AS newest
) AS gone
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount_fen), 0)::bigint AS promised_fen,
           coalesce(sum(released_fen), 0)::bigint AS promised_released_fen
    FROM pledges AS p WHERE p.campaign_id = c.campaign_id
) AS promised
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount_fen), 0)::bigint AS disbursed_fen,
           coalesce(sum(returned_fen), 0)::bigint AS returned_fen
    FROM disbursements AS d WHERE d.campaign_id = c.campaign_id
) AS spent
CROSS JOIN LATERAL (
    SELECT coalesce(sum(value_fen) FILTER (WHERE g.kind = 'received'), 0)::bigint
               - coalesce(sum(value_fen) FILTER (WHERE g.kind = 'reversed'), 0)::bigint AS goods_received_fen,
           coalesce(sum(value_fen) FILTER (WHERE g.kind = 'distributed'), 0)::bigint
               - coalesce(sum(value_fen) FILTER (WHERE g.kind = 'returned'), 0)::bigint
               AS goods_distributed_fen,
           coalesce(sum(value_fen) FILTER (WHERE g.kind = 'written_off'), 0)::bigint AS goods_written_off_fen
    FROM goods_movements AS g WHERE g.campaign_id = c.campaign_id
) AS goods
CROSS JOIN (
    SELECT coalesce(array_agg(source ORDER BY source), '{}') AS sources,
           coalesce(array_agg(sequence ORDER BY source), '{}') AS sequences
    FROM marks WHERE sequence >= 0
) AS positions
"""
_ALL_STATES = text(_STATES)
# With the parts of what is asked: a tree is of one snapshot too.
_SOME_STATES = text(_STATES + "WHERE c.campaign_id = ANY(:campaigns) OR c.parent_id = ANY(:campaigns)")


async def read_states(engine: AsyncEngine, campaigns: Iterable[str] | None = None) -> list[CampaignState]:
    """Read campaigns (None: all) with their amounts, their trees and all positions, in one snapshot.

    One statement sees one state of the database, also at READ COMMITTED, so the sums and the marks belong
    together; so it needs no transaction, whose beginning and end are round trips of their own. Campaigns
    whose plan has not been read yet are left out.
    """
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        return await _states(connection, campaigns)


async def _states(connection: AsyncConnection, campaigns: Iterable[str] | None) -> list[CampaignState]:
    parameters: dict[str, Any] = {
        "recent": RECENT_SHOWN,
        "messages": MESSAGES_SHOWN,
        "companies": COMPANIES_SHOWN,
    }
    wanted = None if campaigns is None else set(campaigns)
    if wanted is not None:
        parameters["campaigns"] = sorted(wanted)
    statement = _ALL_STATES if campaigns is None else _SOME_STATES
    rows = (await connection.execute(statement, parameters)).mappings().all()
    return with_trees(map(_state, rows), wanted)


_ORGANISATIONS = text("SELECT * FROM organisations ORDER BY organisation_id")


async def read_federation(
    engine: AsyncEngine,
) -> tuple[list[OrganisationName], list[CampaignState], dict[str, int]]:
    """All organisations, all campaigns that belong to one, and the positions: of one moment."""
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="REPEATABLE READ")
        rows = (await connection.execute(_ORGANISATIONS)).mappings().all()
        states = await _states(connection, None)
        marks = await connection.execute(text("SELECT source, sequence FROM marks WHERE sequence >= 0"))
        positions = {mark.source: mark.sequence for mark in marks}
    of_one = [state for state in states if state.plan.organisation_id is not None]
    return [OrganisationName.model_validate(dict(row)) for row in rows], of_one, positions


def _state(row: RowMapping) -> CampaignState:
    channels = tuple(ChannelTotal.model_validate(channel) for channel in json.loads(row["channels"]))
    amounts = Amounts(
        received_fen=sum(channel.received_fen for channel in channels),
        reversed_fen=sum(channel.reversed_fen for channel in channels),
        donations=sum(channel.donations for channel in channels),
        promised_fen=row["promised_fen"],
        disbursed_fen=row["disbursed_fen"],
        returned_fen=row["returned_fen"],
        goods_received_fen=row["goods_received_fen"],
        goods_distributed_fen=row["goods_distributed_fen"],
        goods_written_off_fen=row["goods_written_off_fen"],
    )
    plan = CampaignPlan.model_validate(dict(row))
    positions = dict(zip(row["sources"], row["sequences"], strict=True))
    return CampaignState(
        plan=plan,
        amounts=amounts,
        promised_released_fen=row["promised_released_fen"],
        channels=channels,
        recent=json.loads(row["donors"]),
        companies=json.loads(row["companies"]),
        messages_json=row["messages"],
        dropped=tuple(row["dropped"]),
        positions=positions,
        version=version_of(positions),
        digest=digest_of(plan.campaign_id, positions, amounts),
        as_of=row["as_of"],
    )


async def read_campaign_ids(engine: AsyncEngine) -> list[str]:
    """The ids of all campaigns."""
    async with engine.connect() as connection:
        return list((await connection.execute(text("SELECT campaign_id FROM campaigns"))).scalars())


_VERSION = text("SELECT coalesce(sum(sequence + 1), 0)::bigint FROM marks")


async def read_version(engine: AsyncEngine) -> int:
    """How far the projection has read (see proof.version_of)."""
    async with engine.connect() as connection:
        return int((await connection.execute(_VERSION)).scalar_one())


_MINUTES = text(
    "SELECT minute, channel, sum(received_fen)::bigint AS received_fen,"
    " sum(reversed_fen)::bigint AS reversed_fen,"
    " sum(donations)::bigint AS donations, sum(reversals)::bigint AS reversals"
    " FROM minute_totals WHERE campaign_id = :campaign_id AND minute >= :start AND minute < :end"
    " GROUP BY minute, channel ORDER BY minute, channel LIMIT :most"
)


async def read_minutes(
    engine: AsyncEngine, campaign_id: str, start: datetime, end: datetime, *, most: int
) -> Sequence[RowMapping]:
    """The minutes of [start, end) in which something was given, by channel; `most` rows at most."""
    asked = {"campaign_id": campaign_id, "start": start, "end": end, "most": most}
    async with engine.connect() as connection:
        return (await connection.execute(_MINUTES, asked)).mappings().all()


_ARRIVALS = text(
    "SELECT campaign_id, minute, sum(donations)::bigint AS donations,"
    " sum(received_fen)::bigint AS received_fen FROM arrivals"
    " WHERE minute >= :start GROUP BY campaign_id, minute"
)


async def read_arrivals(engine: AsyncEngine, start: datetime) -> Sequence[RowMapping]:
    """What reached us in each minute since `start` (UTC), by campaign."""
    async with engine.connect() as connection:
        return (await connection.execute(_ARRIVALS, {"start": start})).mappings().all()


_CHANNELS = text(
    "SELECT campaign_id, channel, sum(donations)::bigint AS donations,"
    " sum(received_fen)::bigint AS received_fen,"
    " sum(reversals)::bigint AS reversals, sum(reversed_fen)::bigint AS reversed_fen,"
    " sum(held - released)::bigint AS held_open, sum(held_fen - released_fen)::bigint AS held_open_fen,"
    " sum(conflicts)::bigint AS conflicts"
    " FROM campaign_totals GROUP BY campaign_id, channel ORDER BY campaign_id, channel"
)


async def read_channels(engine: AsyncEngine) -> Sequence[RowMapping]:
    """By campaign and channel: received, reversed, held and not yet released, conflicts."""
    async with engine.connect() as connection:
        return (await connection.execute(_CHANNELS)).mappings().all()


_DEAD_LETTERS = text(
    "SELECT topic, reason, count(*)::bigint AS letters, max(at) AS newest_at FROM dead_letters"
    " GROUP BY topic, reason ORDER BY topic, reason"
)
_NEWEST_LETTERS = text(
    "SELECT topic, partition, record_offset AS offset, reason, detail, at FROM dead_letters"
    " ORDER BY at DESC LIMIT :most"
)


async def read_dead_letters(
    engine: AsyncEngine, *, newest: int
) -> tuple[Sequence[RowMapping], Sequence[RowMapping]]:
    """Dead letters counted by topic and reason, and the `newest` of them with their places."""
    async with engine.connect() as connection:
        counted = (await connection.execute(_DEAD_LETTERS)).mappings().all()
        return counted, (await connection.execute(_NEWEST_LETTERS, {"most": newest})).mappings().all()


_GAPS = text(
    "SELECT gaps.source, out_of_order, awaited_sequence, marks.sequence AS mark, first_seen_at, last_seen_at,"
    " marks.sequence < awaited_sequence AS open"
    " FROM gaps JOIN marks ON marks.source = gaps.source ORDER BY gaps.source"
)


async def read_gaps(engine: AsyncEngine) -> Sequence[RowMapping]:
    """Sources with events that came too early; `open`: what is missing has not arrived yet."""
    async with engine.connect() as connection:
        return (await connection.execute(_GAPS)).mappings().all()


_NEWEST_RECEIVED = text("SELECT max(received_at) FROM recent_donors")


async def read_newest_received(engine: AsyncEngine) -> datetime | None:
    """When the newest donation counted so far was received (UTC); None: there is none yet."""
    async with engine.connect() as connection:
        newest: datetime | None = (await connection.execute(_NEWEST_RECEIVED)).scalar_one()
        return newest


_PRUNE_ARRIVALS = text("DELETE FROM arrivals WHERE minute < :before")
_PRUNE_DROPPED = text(
    "DELETE FROM dropped_donors AS d WHERE dropped_at < :before"
    " AND NOT EXISTS (SELECT 1 FROM recent_donors AS r WHERE r.donation_id = d.donation_id)"
)


async def prune_arrivals(engine: AsyncEngine, now: datetime) -> int:
    """Drop the pace of days gone by, who was dropped from lists that have moved on, and what came of donors
    after they were erased; gives the number of rows dropped of the pace.
    """
    before = {"before": now - ARRIVALS_KEPT}
    async with engine.begin() as connection:
        await connection.execute(_PRUNE_DROPPED, before)
        await erasing.sweep(connection)
        return (await connection.execute(_PRUNE_ARRIVALS, before)).rowcount
