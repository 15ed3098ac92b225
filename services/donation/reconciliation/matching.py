"""A day's bill against the day's donations: which agree, which don't, and what becomes of the breaks.

Set-based SQL and not a loop in Python: both sides lie in the database already, a line and its donation share
a derived id, and three sets of 100,000 are joined there in a second. Two are the same when their transaction
ids are; on which day each side saw it is asked only of what has no partner:

  a line of the bill        has its donation on whatever day that is, or it is missing here
  a donation of the day     stands in the bill of the day or of a neighbour, or it is missing there; but one
                            within days.EDGE before midnight waits until the next day's bill is there
  a refund                  likewise, by the channel's own id of it

A held donation counts as there: the money is with the channel. What was voided here was never money. A fee is
compared only where both sides state one.
"""

from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.reconciliation.days import EDGE, ONE, bounds_of

ITSELF: Final = "reconciliation"
"""Who a break is closed by when both sides agree after all."""
AGREES: Final = "both sides agree now"

_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtext('shanliu.reconciling'), hashtext(:channel))")

_SETS: Final = """
    bill AS (
        SELECT bill_id FROM bills WHERE channel = :channel AND day = :day AND state = 'current'
    ),
    near AS (
        SELECT l.subject, l.kind, l.amount_fen FROM bills b JOIN bill_lines l USING (bill_id)
        WHERE b.channel = :channel AND b.state = 'current'
          AND b.day BETWEEN CAST(:day AS date) - 1 AND CAST(:day AS date) + 1
    ),
    voided AS (
        SELECT donation_id, sum(amount_fen) AS fen FROM reversals
        WHERE kind = 'void' AND status = 'applied' GROUP BY donation_id
    ),
    given AS MATERIALIZED (
        SELECT d.donation_id, d.transaction_id, d.occurred_at, d.status,
               CAST(d.amount_fen - coalesce(v.fen, 0) AS bigint) AS amount_fen
        FROM donations d LEFT JOIN voided v USING (donation_id)
        WHERE d.channel = :channel AND d.occurred_at >= :starts AND d.occurred_at < :ends
    )
"""

_JUDGE: Final = text(
    f"""
    WITH {_SETS},
    lines AS (
        SELECT l.*, b.bill_id AS of_bill FROM bill b JOIN bill_lines l USING (bill_id)
    ),
    payments AS (
        SELECT l.subject, l.transaction_id, l.reversal_id, l.occurred_at, l.fee_fen, l.campaign_id, l.said,
               CAST(d.amount_fen - coalesce(v.fen, 0) AS bigint) AS ours_fen, l.amount_fen AS theirs_fen,
               d.fee_fen AS our_fee_fen
        FROM lines l LEFT JOIN donations d ON d.donation_id = l.subject
             LEFT JOIN voided v ON v.donation_id = l.subject
        WHERE l.kind = 'payment'
    ),
    found AS MATERIALIZED (
        SELECT CASE WHEN ours_fen IS NULL THEN 'missing_here' ELSE 'amount_differs' END AS kind,
               subject, transaction_id, reversal_id, ours_fen, theirs_fen, occurred_at, fee_fen, campaign_id,
               CASE WHEN ours_fen IS NULL THEN said END AS said
        FROM payments WHERE ours_fen IS DISTINCT FROM theirs_fen
        UNION ALL
        SELECT 'fee_differs', subject, transaction_id, reversal_id, our_fee_fen, fee_fen, occurred_at,
               CAST(NULL AS bigint), CAST(NULL AS text), CAST(NULL AS text)
        FROM payments WHERE ours_fen = theirs_fen AND our_fee_fen <> fee_fen
        UNION ALL
        SELECT CASE WHEN r.reversal_id IS NULL OR r.status = 'refused' THEN 'refund_missing_here'
                    ELSE 'amount_differs' END,
               l.subject, l.transaction_id, l.reversal_id,
               CASE WHEN r.status <> 'refused' THEN r.amount_fen END, l.amount_fen, l.occurred_at, NULL, NULL,
               NULL
        FROM lines l LEFT JOIN reversals r ON r.reversal_id = l.subject
        WHERE l.kind = 'refund'
          AND (r.reversal_id IS NULL OR r.status = 'refused' OR r.amount_fen <> l.amount_fen)
        UNION ALL
        SELECT 'missing_there', g.donation_id, g.transaction_id, NULL, g.amount_fen, NULL,
               g.occurred_at, NULL, NULL, NULL
        FROM given g
        WHERE g.amount_fen > 0
          AND NOT EXISTS (SELECT FROM near n WHERE n.subject = g.donation_id AND n.kind = 'payment')
          AND (g.occurred_at < :edge OR CAST(:next_is_there AS boolean))
        UNION ALL
        SELECT 'refund_missing_there', r.reversal_id, d.transaction_id, NULL, r.amount_fen, NULL,
               r.occurred_at, NULL, NULL, NULL
        FROM reversals r JOIN donations d USING (donation_id)
        WHERE d.channel = :channel AND r.occurred_at >= :starts AND r.occurred_at < :ends
          AND r.kind <> 'void' AND r.status <> 'refused'
          AND NOT EXISTS (SELECT FROM near n WHERE n.subject = r.reversal_id AND n.kind = 'refund')
          AND (r.occurred_at < :edge OR CAST(:next_is_there AS boolean))
    ),
    written AS (
        INSERT INTO breaks (channel, day, kind, subject, transaction_id, reversal_id, ours_fen, theirs_fen,
                            occurred_at, fee_fen, campaign_id, said, state, opened_at)
        SELECT CAST(:channel AS text), CAST(:day AS date), kind, subject, transaction_id, reversal_id,
               ours_fen, theirs_fen, occurred_at, fee_fen, campaign_id, said, 'open',
               CAST(:now AS timestamptz)
        FROM found
        ON CONFLICT (channel, subject, kind) DO UPDATE
            SET day = excluded.day, ours_fen = excluded.ours_fen, theirs_fen = excluded.theirs_fen,
                occurred_at = excluded.occurred_at, fee_fen = excluded.fee_fen,
                campaign_id = coalesce(excluded.campaign_id, breaks.campaign_id), asked_at = NULL,
                said = excluded.said, state = 'open', opened_at = excluded.opened_at, closed_at = NULL,
                closed_by = NULL, reason = NULL
            WHERE breaks.state = 'settled' OR breaks.ours_fen IS DISTINCT FROM excluded.ours_fen
               OR breaks.theirs_fen IS DISTINCT FROM excluded.theirs_fen
        RETURNING break_id, ours_fen, theirs_fen, CASE WHEN xmax = 0 THEN 'opened' ELSE 'reopened' END AS what
    ),
    settled AS (
        UPDATE breaks b SET state = 'settled', closed_at = :now, closed_by = :itself, reason = :agrees,
               said = NULL
        WHERE b.channel = :channel AND b.day = :day AND b.state = 'open'
          AND NOT EXISTS (SELECT FROM found f WHERE f.subject = b.subject AND f.kind = b.kind)
        RETURNING break_id, ours_fen, theirs_fen, 'settled' AS what
    )
    INSERT INTO break_history (break_id, at, who, what, reason, ours_fen, theirs_fen)
    SELECT break_id, CAST(:now AS timestamptz), CAST(:itself AS text), what,
           CASE WHEN what = 'settled' THEN CAST(:agrees AS text) END, ours_fen, theirs_fen
    FROM (SELECT * FROM written UNION ALL SELECT * FROM settled) AS changed
    """  # noqa: S608 - the text above
)

_FIGURES: Final = text(
    f"""
    WITH {_SETS},
    counted AS (
        SELECT g.*, EXISTS (SELECT FROM near n WHERE n.subject = g.donation_id AND n.kind = 'payment'
                            AND n.amount_fen = g.amount_fen) AS matched,
               EXISTS (SELECT FROM conflicts c WHERE c.donation_id = g.donation_id) AS conflicted
        FROM given g WHERE g.amount_fen > 0
    )
    INSERT INTO reconciled_days (channel, day, ours, ours_fen, held, held_fen, conflicted, matched,
                                 matched_fen, judged_at)
    SELECT CAST(:channel AS text), CAST(:day AS date), count(*), coalesce(sum(amount_fen), 0),
           count(*) FILTER (WHERE status = 'held'),
           coalesce(sum(amount_fen) FILTER (WHERE status = 'held'), 0), count(*) FILTER (WHERE conflicted),
           count(*) FILTER (WHERE matched), coalesce(sum(amount_fen) FILTER (WHERE matched), 0),
           CAST(:now AS timestamptz)
    FROM counted
    ON CONFLICT (channel, day) DO UPDATE
        SET ours = excluded.ours, ours_fen = excluded.ours_fen, held = excluded.held,
            held_fen = excluded.held_fen, conflicted = excluded.conflicted, matched = excluded.matched,
            matched_fen = excluded.matched_fen, judged_at = excluded.judged_at
    """  # noqa: S608 - the text above
)

# What a donor chose is kept here only while their donation is missing.
_FORGET: Final = text(
    """
    UPDATE bill_lines l SET said = NULL FROM bills b
    WHERE b.channel = :channel AND b.day = :day AND b.state = 'current' AND l.bill_id = b.bill_id
      AND l.said IS NOT NULL
      AND NOT EXISTS (SELECT FROM breaks x WHERE x.channel = :channel AND x.subject = l.subject
                      AND x.kind = 'missing_here' AND x.state = 'open')
    """
)
_BILLS: Final = text(
    "SELECT day FROM bills WHERE channel = :channel AND state = 'current' AND day = ANY(:days)"
)
_JUDGED: Final = text(
    "UPDATE bills SET judged_at = :now WHERE channel = :channel AND day = :day AND state = 'current'"
)


async def lock(connection: AsyncConnection, channel: str) -> None:
    """Wait for whoever judges this channel, and hold others up until the transaction ends."""
    await connection.execute(_LOCK, {"channel": channel})


async def judge(connection: AsyncConnection, channel: str, day: date) -> None:
    """Write down how a day stands, and open, settle or open again its breaks. The caller has the lock.

    Without a bill of that day there are figures and no breaks.
    """
    starts, ends = bounds_of(day)
    there = set((await connection.execute(_BILLS, {"channel": channel, "days": [day, day + ONE]})).scalars())
    now = datetime.now(UTC)
    asked: dict[str, Any] = {"channel": channel, "day": day, "starts": starts, "ends": ends, "now": now}
    if day in there:
        more = {"edge": ends - EDGE, "next_is_there": day + ONE in there, "itself": ITSELF, "agrees": AGREES}
        await connection.execute(_JUDGE, asked | more)
        await connection.execute(_FORGET, {"channel": channel, "day": day})
        await connection.execute(_JUDGED, {"channel": channel, "day": day, "now": now})
    await connection.execute(_FIGURES, asked)
