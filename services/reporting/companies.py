"""The ranking of companies: each gift of one is kept by itself, and their sums by company.

A gift's reversal may be read before the gift is, and by another worker; so what each says lies in one row of
the donation, and the sums move by what that row has come to. Two workers that have the same gift or the same
company wait for each other, in the order of ids and then of names; most donations are of neither.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporting.ranking import Gift

_COLUMNS: Final = ("campaign_id", "company", "received_fen", "reversed_fen", "withdrawals")
# A donation is received once. So a gift was known before this statement when more has been received of it
# than the batch says, and counted then when no withdrawal had come.
_ADD_UP: Final = text(
    """
    WITH said AS (
        SELECT * FROM unnest(CAST(:donation_id AS uuid[]), CAST(:campaign_id AS text[]),
            CAST(:company AS text[]), CAST(:received_fen AS bigint[]),
            CAST(:reversed_fen AS bigint[]), CAST(:withdrawals AS bigint[]))
            AS said (donation_id, campaign_id, company, received_fen, reversed_fen, withdrawals)
    ), gifts AS (
        INSERT INTO company_gifts AS kept
            (donation_id, campaign_id, company, received_fen, reversed_fen, withdrawals)
        SELECT donation_id, campaign_id, company, received_fen, reversed_fen, withdrawals FROM said
        ON CONFLICT (donation_id) DO UPDATE SET
            company = coalesce(kept.company, excluded.company),
            received_fen = kept.received_fen + excluded.received_fen,
            reversed_fen = kept.reversed_fen + excluded.reversed_fen,
            withdrawals = kept.withdrawals + excluded.withdrawals
        RETURNING *
    ), moved AS (
        SELECT gifts.campaign_id, gifts.company,
               CASE WHEN gifts.withdrawals = 0 THEN gifts.received_fen - gifts.reversed_fen ELSE 0 END
               - CASE WHEN gifts.withdrawals = said.withdrawals AND gifts.received_fen > said.received_fen
                 THEN gifts.received_fen - said.received_fen - (gifts.reversed_fen - said.reversed_fen)
                 ELSE 0 END AS fen
        FROM gifts JOIN said USING (donation_id) WHERE gifts.company IS NOT NULL
    )
    INSERT INTO company_sums AS known (campaign_id, company, net_fen)
    SELECT campaign_id, company, sum(fen) FROM moved GROUP BY 1, 2 HAVING sum(fen) <> 0
    ORDER BY campaign_id, company COLLATE "C"
    ON CONFLICT (campaign_id, company) DO UPDATE SET net_fen = known.net_fen + excluded.net_fen
    """
)


async def write(connection: AsyncConnection, gifts: Mapping[UUID, Gift]) -> None:
    """Write what a batch says of gifts, in one statement, in the transaction that has moved the marks."""
    ids = sorted(gifts)
    columns = {name: [getattr(gifts[each], name) for each in ids] for name in _COLUMNS}
    await connection.execute(_ADD_UP, {"donation_id": ids, **columns})
