"""What is asked of the database about charity insurance. Every function runs in its caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, TypeVar, cast
from uuid import UUID

from sqlalchemy import Table, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.insurance.models import insurance_claims, insurance_covered, insurance_policies
from services.campaign.insurance.rules import COUNTS, HOLDS
from services.campaign.insurance.schemas import Claim, Cover, Group, InsuranceTotals, Policy, Record
from shared.refusals import NotFound

R = TypeVar("R", bound=Record)
_TABLES: Final[Mapping[type[Record], tuple[Table, str]]] = {
    Policy: (insurance_policies, "policy_id"),
    Claim: (insurance_claims, "claim_id"),
}


def id_of(record: Record) -> UUID:
    """The id of a policy or a claim."""
    return cast("UUID", getattr(record, _TABLES[type(record)][1]))


async def add_record(connection: AsyncConnection, kind: type[R], values: Mapping[str, Any]) -> R:
    """Write a new policy or claim."""
    table, _ = _TABLES[kind]
    row = (await connection.execute(insert(table).values(**values).returning(*table.c))).one()
    return kind.model_validate(row)


async def add_groups(connection: AsyncConnection, policy_id: UUID, groups: Sequence[tuple[str, int]]) -> None:
    """Write whom a new policy covers."""
    rows = [{"policy_id": policy_id, "group_name": name, "people": people} for name, people in groups]
    await connection.execute(insert(insurance_covered), rows)


async def lock_record(connection: AsyncConnection, kind: type[R], record_id: UUID) -> R:
    """A policy or a claim, locked until the end of the transaction. Raises NotFound."""
    table, key = _TABLES[kind]
    row = (
        await connection.execute(
            select(table).where(table.c[key] == record_id).with_for_update(key_share=True)
        )
    ).first()
    if row is None:
        raise NotFound(f"There is no {kind.__name__.lower()} with this id.", fields=[key])
    return kind.model_validate(row)


async def change_record(connection: AsyncConnection, known: R, **values: Any) -> R:
    """Write a locked record's next version."""
    kind = type(known)
    table, key = _TABLES[kind]
    statement = (
        update(table)
        .where(table.c[key] == id_of(known), table.c.version == known.version)
        .values(version=known.version + 1, **values)
        .returning(*table.c)
    )
    return kind.model_validate((await connection.execute(statement)).one())


_COUNTING: Final = {"counts": list(COUNTS), "holds": list(HOLDS)}
_PREMIUMS: Final = text(
    "SELECT CAST(coalesce(sum(premium_fen), 0) AS bigint) FROM insurance_policies"
    " WHERE disbursement_id = :disbursement_id AND state = ANY(:counts)"
)
_CLAIMED: Final = text(
    "SELECT CAST(coalesce(sum(amount_fen), 0) AS bigint) AS fen, count(*) AS claims FROM insurance_claims"
    " WHERE policy_id = :policy_id AND state = ANY(:holds)"
)


async def premiums_fen(connection: AsyncConnection, disbursement_id: UUID) -> int:
    """The premiums that a locked disbursement pays already."""
    asked = {"disbursement_id": disbursement_id, "counts": _COUNTING["counts"]}
    return int((await connection.execute(_PREMIUMS, asked)).scalar_one())


async def claimed(connection: AsyncConnection, policy_id: UUID) -> tuple[int, int]:
    """What is claimed on a locked policy in fen, what waits for its second person included; and how often."""
    asked = {"policy_id": policy_id, "holds": _COUNTING["holds"]}
    row = (await connection.execute(_CLAIMED, asked)).one()
    return row.fen, row.claims


# ---------------------------------------------------------------- read

_GROUPS: Final = text(
    'SELECT policy_id, group_name AS "group", people FROM insurance_covered'
    " WHERE policy_id = ANY(:ids) ORDER BY policy_id, people DESC, group_name"
)
_CLAIMS_OF: Final = text(
    "SELECT policy_id, count(*) AS claims, CAST(sum(amount_fen) AS bigint) AS claims_fen,"
    " max(amount_fen) AS largest_claim_fen"
    " FROM insurance_claims WHERE policy_id = ANY(:ids) AND state = ANY(:counts) GROUP BY policy_id"
)


async def whole(connection: AsyncConnection, policies: Sequence[Policy]) -> list[Policy]:
    """The policies with whom they cover and the claims that count."""
    ids = [policy.policy_id for policy in policies]
    groups: dict[UUID, list[Group]] = {policy_id: [] for policy_id in ids}
    for row in await connection.execute(_GROUPS, {"ids": ids}):
        groups[row.policy_id].append(Group.model_validate(row))
    asked = {"ids": ids, "counts": _COUNTING["counts"]}
    claims = {row.policy_id: row for row in await connection.execute(_CLAIMS_OF, asked)}

    def completed(policy: Policy) -> Policy:
        own = groups[policy.policy_id]
        paid = claims.get(policy.policy_id)
        figures = {} if paid is None else {**paid._mapping}  # noqa: SLF001 - public
        people = sum(each.people for each in own)
        return policy.model_copy(update=figures | {"groups": own, "people": people})

    return [completed(policy) for policy in policies]


async def policy(connection: AsyncConnection, policy_id: UUID) -> Policy:
    """Read a policy. Raises NotFound."""
    table = insurance_policies
    row = (await connection.execute(select(table).where(table.c.policy_id == policy_id))).one_or_none()
    if row is None:
        raise NotFound("There is no policy with this id.", fields=["policy_id"])
    (found,) = await whole(connection, [Policy.model_validate(row)])
    return found


async def claim(connection: AsyncConnection, claim_id: UUID) -> Claim:
    """Read a claim. Raises NotFound."""
    table = insurance_claims
    row = (await connection.execute(select(table).where(table.c.claim_id == claim_id))).one_or_none()
    if row is None:
        raise NotFound("There is no claim with this id.", fields=["claim_id"])
    return Claim.model_validate(row)


async def list_policies(
    connection: AsyncConnection, campaign_id: str, *, after: UUID | None, limit: int
) -> list[Policy]:
    """At most `limit` policies of a campaign in the order of their ids, beginning behind `after`."""
    table = insurance_policies
    statement = select(table).where(table.c.campaign_id == campaign_id).order_by(table.c.policy_id)
    if after is not None:
        statement = statement.where(table.c.policy_id > after)
    rows = await connection.execute(statement.limit(limit))
    return await whole(connection, [Policy.model_validate(row) for row in rows])


async def list_claims(
    connection: AsyncConnection, policy_id: UUID, *, after: UUID | None, limit: int
) -> list[Claim]:
    """At most `limit` claims on a policy in the order of their ids, beginning behind `after`."""
    table = insurance_claims
    statement = select(table).where(table.c.policy_id == policy_id).order_by(table.c.claim_id)
    if after is not None:
        statement = statement.where(table.c.claim_id > after)
    return [Claim.model_validate(row) for row in await connection.execute(statement.limit(limit))]


_WANTED: Final = """
    SELECT p.policy_id, p.renewed, p.premium_fen, p.starts_on
    FROM insurance_policies p JOIN campaigns USING (campaign_id)
    WHERE p.state = ANY(:counts)
      AND (CAST(:campaign_ids AS text[]) IS NULL OR campaign_id = ANY(:campaign_ids))
      AND (CAST(:organisations AS text[]) IS NULL OR organisation_id = ANY(:organisations))
"""
_COVER: Final = text(
    f"""
    SELECT w.renewed, count(*) AS policies, CAST(sum(w.premium_fen) AS bigint) AS premiums_fen,
           CAST(sum((SELECT sum(c.people) FROM insurance_covered c WHERE c.policy_id = w.policy_id))
               AS bigint) AS people
    FROM ({_WANTED}) AS w WHERE w.starts_on BETWEEN :first AND :last GROUP BY w.renewed
    """  # noqa: S608 - texts of this file
)
_COVERED_GROUPS: Final = text(
    f"""
    SELECT * FROM (
        SELECT w.renewed, c.group_name AS "group", CAST(sum(c.people) AS bigint) AS people,
               row_number() OVER (PARTITION BY w.renewed ORDER BY sum(c.people) DESC, c.group_name) AS place
        FROM ({_WANTED}) AS w JOIN insurance_covered c USING (policy_id)
        WHERE w.starts_on BETWEEN :first AND :last GROUP BY w.renewed, c.group_name
    ) AS each WHERE place <= 100 ORDER BY place
    """  # noqa: S608 - texts of this file
)
_PAID: Final = text(
    f"""
    SELECT count(*) AS claims, CAST(coalesce(sum(c.amount_fen), 0) AS bigint) AS claims_fen,
           max(c.amount_fen) AS largest_claim_fen
    FROM insurance_claims c JOIN ({_WANTED}) AS w USING (policy_id)
    WHERE c.state = ANY(:counts) AND c.paid_on BETWEEN :first AND :last
    """  # noqa: S608 - texts of this file
)


async def totals(
    connection: AsyncConnection,
    *,
    first: date,
    last: date,
    campaign_ids: Sequence[str] | None = None,
    organisations: Sequence[str] | None = None,
) -> InsuranceTotals:
    """What counts between two days; None: of any campaign, of any organisation."""
    asked = {
        "first": first,
        "last": last,
        "campaign_ids": None if campaign_ids is None else list(campaign_ids),
        "organisations": None if organisations is None else list(organisations),
        "counts": _COUNTING["counts"],
    }
    cover = {row.renewed: row for row in await connection.execute(_COVER, asked)}
    groups = list(await connection.execute(_COVERED_GROUPS, asked))
    paid = (await connection.execute(_PAID, asked)).one()

    def cover_of(*, renewed: bool) -> Cover:
        row = cover.get(renewed)
        own = [Group.model_validate(each) for each in groups if each.renewed == renewed]
        if row is None:
            return Cover(policies=0, people=0, premiums_fen=0, groups=[])
        return Cover(policies=row.policies, people=row.people, premiums_fen=row.premiums_fen, groups=own)

    return InsuranceTotals(
        new=cover_of(renewed=False),
        renewed=cover_of(renewed=True),
        claims=paid.claims,
        claims_fen=paid.claims_fen,
        largest_claim_fen=paid.largest_claim_fen,
    )
