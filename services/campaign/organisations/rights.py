"""Where a person may act: the one place where an address, a plan or a voucher meets the register.

A right granted at an organisation holds for it and for all below it. What belongs to no organisation (a
campaign from before there was a register, unrestricted money, the ledger as a whole) is for those alone whose
roles hold everywhere.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Text, Uuid, bindparam, select, text, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.models import campaigns
from shared.access import Reach
from shared.events.fields import CAMPAIGN_ID
from shared.refusals import NotFound, Refused

_BELOW: Final = (
    "WITH RECURSIVE below AS (SELECT organisation_id FROM organisations WHERE organisation_id = ANY(:granted)"
    " UNION SELECT lower.organisation_id FROM organisations lower"
    "  JOIN below ON lower.parent_id = below.organisation_id)"
)
_OUTSIDE: Final = "organisation_id IS NULL OR organisation_id NOT IN (SELECT organisation_id FROM below)"

_SEEN: Final = text(
    f"{_BELOW} SELECT organisation_id FROM below ORDER BY organisation_id"  # noqa: S608 - our own words
).bindparams(bindparam("granted", type_=ARRAY(Text)))

_OF_CAMPAIGN: Final = "SELECT organisation_id FROM campaigns WHERE campaign_id = :id"


def _of_campaigns_in(table: str, column: str) -> str:
    """Whose the campaign is that a row of `table` belongs to."""
    return f"SELECT organisation_id FROM {table} JOIN campaigns USING (campaign_id) WHERE {column} = :id"  # noqa: S608 - our own words


OWNERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "campaign_id": _OF_CAMPAIGN,
        "organisation_id": "SELECT organisation_id FROM organisations WHERE organisation_id = :id",
        "pledge_id": _of_campaigns_in("pledges", "pledge_id"),
        "disbursement_id": _of_campaigns_in("disbursements", "disbursement_id"),
        "statement_id": "SELECT organisation_id FROM stated_years WHERE statement_id = :id",
        "gift_id": _of_campaigns_in("goods_gifts", "gift_id"),
        "movement_id": _of_campaigns_in("goods_movements", "movement_id"),
        "item_id": _of_campaigns_in("goods_items", "item_id"),
        "policy_id": _of_campaigns_in("insurance_policies", "policy_id"),
        "claim_id": _of_campaigns_in(
            "insurance_claims JOIN insurance_policies USING (policy_id)", "claim_id"
        ),
        "transfer_id": (
            "SELECT organisation_id FROM fund_transfers JOIN campaigns"
            " ON campaign_id IN (from_campaign_id, to_campaign_id) WHERE transfer_id = :id"
        ),
        "split_id": (
            "SELECT organisation_id FROM donation_splits JOIN donation_split_parts AS part USING (split_id)"
            " JOIN campaigns ON campaigns.campaign_id IN (donation_splits.campaign_id, part.campaign_id)"
            " WHERE split_id = :id"
        ),
        "decision_id": (
            "SELECT organisation_id FROM campaign_decisions JOIN campaigns"
            " ON campaigns.campaign_id IN (campaign_decisions.campaign_id, to_campaign_id)"
            " WHERE decision_id = :id"
        ),
        "report_id": (
            "SELECT coalesce(campaigns.organisation_id, reports.organisation_id) AS organisation_id"
            " FROM reports LEFT JOIN campaigns USING (campaign_id) WHERE report_id = :id"
        ),
        "match_id": (
            "SELECT organisation_id FROM matches LEFT JOIN match_campaigns AS matched USING (match_id)"
            " JOIN campaigns ON campaigns.campaign_id IN (matches.campaign_id, matched.campaign_id)"
            " WHERE match_id = :id"
        ),
        # A posting without a campaign is unrestricted money, and belongs to no organisation.
        "draft_id": (
            "SELECT organisation_id FROM ledger_drafts CROSS JOIN json_array_elements(postings) AS posting"
            " LEFT JOIN campaigns ON campaigns.campaign_id = posting->>'campaign_id' WHERE draft_id = :id"
        ),
    }
)
"""For each id that an address may name: the organisations it belongs to, all of which must be in reach: what
moves between two is decided by who stands above both. A route that names another thing adds its line here;
tests/unit/campaign/test_rights.py asks for it."""

SEEN_FROM_EACH_SIDE: Final = frozenset({"transfer_id", "split_id", "decision_id"})
"""What may be read where one of its organisations is in reach."""

_SPOKEN: Final = frozenset({"campaign_id", "organisation_id"})
_SLUG: Final = re.compile(CAMPAIGN_ID)
"""What somebody chose; every other id is a UUID."""

_NAMED: Final = {
    name: text(
        f"{_BELOW} SELECT count(*) AS named, count(*) FILTER (WHERE {_OUTSIDE}) AS outside"  # noqa: S608 - our own words
        f" FROM ({owners}) AS owners"
    ).bindparams(
        bindparam("granted", type_=ARRAY(Text)),
        bindparam("id", type_=Text if name in _SPOKEN else Uuid),
    )
    for name, owners in OWNERS.items()
}

_CAMPAIGNS: Final = text(
    f"{_BELOW} SELECT count(*) FROM unnest(CAST(:campaign_ids AS text[])) AS asked (campaign_id)"  # noqa: S608 - our own words
    f" LEFT JOIN campaigns USING (campaign_id) WHERE {_OUTSIDE}"
).bindparams(bindparam("granted", type_=ARRAY(Text)), bindparam("campaign_ids", type_=ARRAY(Text)))


class OutOfReach(Refused):
    """The right is there, but at another organisation."""

    code = "organisation-role-missing"
    title = "The role is not granted at this organisation"
    status = 403


async def seen(connection: AsyncConnection, reach: Reach) -> list[str] | None:
    """The organisations whose things a list may show: those in reach and all below; None: everything."""
    if reach.organisations is None:
        return None
    rows = await connection.execute(_SEEN, {"granted": sorted(reach.organisations)})
    return list(rows.scalars())


def of_seen(campaign_id: ColumnElement[str], seen: Sequence[str] | None) -> ColumnElement[bool]:
    """A list's condition: the campaign belongs to an organisation that is seen (`seen`)."""
    if seen is None:
        return true()
    return campaign_id.in_(select(campaigns.c.campaign_id).where(campaigns.c.organisation_id.in_(seen)))


async def require_named(
    connection: AsyncConnection, reach: Reach, name: str, value: str, *, reading: bool
) -> None:
    """Raise OutOfReach unless all that `value` belongs to is in reach, NotFound when there is no such thing.

    `name` is a key of OWNERS, `value` what stands in the address, `reading`: nothing is changed.
    """
    if reach.organisations is None:
        return
    asked = {"granted": sorted(reach.organisations), "id": _id_of(name, value)}
    row = (await connection.execute(_NAMED[name], asked)).one()
    if not row.named:
        raise _not_found(name)
    one_side = reading and name in SEEN_FROM_EACH_SIDE
    if row.outside == row.named if one_side else row.outside:
        raise _out_of(reach)


async def require_campaigns(
    connection: AsyncConnection, reach: Reach, campaign_ids: Collection[str | None]
) -> None:
    """Raise OutOfReach unless every campaign that a command names is in reach; None names no campaign."""
    if reach.organisations is None:
        return
    asked = {"granted": sorted(reach.organisations), "campaign_ids": list(campaign_ids)}
    if (await connection.execute(_CAMPAIGNS, asked)).scalar_one():
        raise _out_of(reach)


async def require_organisation(
    connection: AsyncConnection, reach: Reach, organisation_id: str | None
) -> None:
    """Raise OutOfReach unless the organisation that a command names is in reach; None: none at all."""
    seen_here = await seen(connection, reach)
    if seen_here is not None and organisation_id not in seen_here:
        raise _out_of(reach)


def _id_of(name: str, value: str) -> str | UUID:
    """Raises NotFound for what can't be an id: nothing has it."""
    if name in _SPOKEN:
        if not _SLUG.fullmatch(value):
            raise _not_found(name)
        return value
    try:
        return UUID(value)
    except ValueError as error:
        raise _not_found(name) from error


def _not_found(name: str) -> NotFound:
    return NotFound(f"There is nothing with this {name}.", fields=[name])


def _out_of(reach: Reach) -> OutOfReach:
    return OutOfReach(
        f"You have the role at {reach} and below. Ask somebody who has it there, or everywhere."
    )
