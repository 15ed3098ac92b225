"""What of an event goes out to partners: a public projection, by type, field by field.

Nothing goes out that is not written here: an event of another type, or a field that is added to one of
these, stays inside until somebody decides here that the public may have it. A donor is in it by
`shown_name` alone, which the event has only with the donor's consent (Charity Law art. 82); it is taken out
(`without_name`) of what is sent after that consent was withdrawn. Companies and organisations stand with
what they have agreed to, or have to, show. Not here on purpose: what a channel keeps (`fee_fen`), whether a
contact was left, held and conflicted donations, what a pledge's reminder says, approvals that are not paid
yet, and the text of a report, which is read where it is published.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.events import Event

_CAMPAIGN: Final = (
    "campaign_id",
    "kind",
    "title",
    "title_en",
    "organisation_id",
    "organisation",
    "licence",
    "filing_number",
    "purpose",
    "goal_fen",
    "milestones_fen",
    "window_start",
    "window_end",
    "contact",
    "query_method",
    "changed_at",
    "launched_on",
    "closed_on",
    "settled_on",
    "parent_id",
    "part_kind",
)
_ORGANISATION: Final = (
    "organisation_id",
    "parent_id",
    "version",
    "name",
    "name_en",
    "licence",
    "contact",
    "query_method",
    "changed_at",
)
_REPORT: Final = (
    "report_id",
    "kind",
    "campaign_id",
    "organisation_id",
    "organisation",
    "title",
    "period_from",
    "period_to",
    "digest",
)

PUBLIC: Final[Mapping[str, tuple[str, ...]]] = {
    "org.shanliu.donation.received.v1": (
        "donation_id",
        "channel",
        "campaign_id",
        "amount_fen",
        "occurred_at",
        "received_at",
        "donor_kind",
        "shown_name",
        "pledge_id",
    ),
    "org.shanliu.donation.reversed.v1": (
        "reversal_id",
        "donation_id",
        "channel",
        "campaign_id",
        "kind",
        "amount_fen",
        "occurred_at",
        "donation_occurred_at",
        "pledge_id",
    ),
    "org.shanliu.donation.consent-withdrawn.v1": (
        "donation_id",
        "channel",
        "campaign_id",
        "withdrawn_at",
    ),
    "org.shanliu.donation.donor-data-erased.v1": ("donation_id", "channel", "campaign_id", "erased_at"),
    "org.shanliu.campaign.filed.v1": _CAMPAIGN,
    "org.shanliu.campaign.launched.v1": _CAMPAIGN,
    "org.shanliu.campaign.paused.v1": _CAMPAIGN,
    "org.shanliu.campaign.closed.v1": _CAMPAIGN,
    "org.shanliu.campaign.settled.v1": _CAMPAIGN,
    "org.shanliu.campaign.use-changed.v1": (
        "decision_id",
        "campaign_id",
        "decided_on",
        "uses_before",
        "uses_after",
        "bureau_reference",
        "public_statement",
    ),
    "org.shanliu.campaign.remainder-decided.v1": (
        "decision_id",
        "campaign_id",
        "to_campaign_id",
        "decided_on",
        "moved_fen",
        "public_statement",
    ),
    "org.shanliu.campaign.goal-reached.v1": ("campaign_id", "goal_fen", "received_fen"),
    "org.shanliu.campaign.milestone-reached.v1": ("campaign_id", "milestone_fen", "received_fen"),
    "org.shanliu.pledge.made.v1": (
        "pledge_id",
        "campaign_id",
        "company",
        "amount_fen",
        "due_on",
        "placard",
        "goods",
    ),
    "org.shanliu.pledge.corrected.v1": (
        "pledge_id",
        "campaign_id",
        "company",
        "amount_fen",
        "previous_amount_fen",
        "due_on",
        "placard",
        "goods",
    ),
    "org.shanliu.pledge.fulfilled.v1": (
        "pledge_id",
        "campaign_id",
        "company",
        "amount_fen",
        "fulfilled_fen",
    ),
    "org.shanliu.pledge.released.v1": (
        "pledge_id",
        "campaign_id",
        "company",
        "amount_fen",
        "released_fen",
        "public_statement",
    ),
    "org.shanliu.match.offered.v1": (
        "match_id",
        "campaign_id",
        "campaign_ids",
        "company",
        "ratio_bp",
        "cap_fen",
        "window_start",
        "window_end",
    ),
    "org.shanliu.match.closed.v1": ("match_id", "campaign_id", "company", "matched_fen", "pledge_id"),
    "org.shanliu.disbursement.paid.v1": (
        "disbursement_id",
        "campaign_id",
        "amount_fen",
        "use",
        "beneficiaries",
        "beneficiary_unit",
        "title",
        "category",
        "paid_on",
        "also_helped",
    ),
    "org.shanliu.disbursement.returned.v1": (
        "return_id",
        "disbursement_id",
        "campaign_id",
        "amount_fen",
        "disbursed_fen",
        "returned_fen",
        "use",
        "returned_on",
    ),
    "org.shanliu.funds.transferred.v1": (
        "transfer_id",
        "campaign_id",
        "to_campaign_id",
        "kind",
        "amount_fen",
        "decided_on",
        "trustee",
        "trust",
    ),
    "org.shanliu.goods.received.v1": (
        "gift_id",
        "campaign_id",
        "donor_kind",
        "shown_name",
        "value_fen",
        "items",
        "received_on",
    ),
    "org.shanliu.goods.reversed.v1": (
        "reversal_id",
        "gift_id",
        "campaign_id",
        "kind",
        "value_fen",
        "items",
        "reversed_on",
    ),
    "org.shanliu.goods.distributed.v1": (
        "distribution_id",
        "campaign_id",
        "use",
        "value_fen",
        "items",
        "beneficiaries",
        "beneficiary_unit",
        "distributed_on",
    ),
    "org.shanliu.goods.returned.v1": (
        "return_id",
        "distribution_id",
        "campaign_id",
        "value_fen",
        "items",
        "returned_on",
    ),
    "org.shanliu.goods.written-off.v1": (
        "write_off_id",
        "campaign_id",
        "cause",
        "value_fen",
        "items",
        "written_off_on",
    ),
    "org.shanliu.organisation.registered.v1": _ORGANISATION,
    "org.shanliu.organisation.changed.v1": _ORGANISATION,
    "org.shanliu.report.published.v1": _REPORT,
    "org.shanliu.report.corrected.v1": (*_REPORT, "corrects", "revision", "reason"),
}
"""Type of event → the fields of its `data` that go out, in this order."""

PING: Final = "org.shanliu.webhook.ping.v1"
"""A test message that an administrator asks for; every endpoint gets it, whatever it has chosen."""

_ENVELOPE: Final = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "sequence")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event as partners get it. `campaign_id` is the one it is ordered by ("": of none), `campaigns` all
    that it is about. `body`: CloudEvents 1.0 in structured JSON, the bytes that are signed and sent.
    """

    event_id: str
    type: str
    campaign_id: str
    campaigns: frozenset[str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Wish:
    """What an endpoint wants to be told: these types, of these campaigns (None: of all)."""

    event_types: frozenset[str]
    campaigns: frozenset[str] | None = None

    def takes(self, event: Outgoing) -> bool:
        """Whether the endpoint is told of an event. One of no campaign is told to those who want all."""
        if event.type not in self.event_types:
            return False
        return self.campaigns is None or not self.campaigns.isdisjoint(event.campaigns)


def outgoing(event: Event) -> Outgoing | None:
    """The public projection of an event; None when nothing of it goes out.

    `previous` stays inside: it would name events that the partner has not chosen. `sequence` goes with
    `source`, so that a receiver can tell which of two events of one source is the later one.
    """
    fields = PUBLIC.get(event.type)
    if fields is None:
        return None
    whole = event.model_dump(mode="json", exclude_none=True, include={*_ENVELOPE, "data"})
    data = whole["data"]
    shown = {name: data[name] for name in fields if name in data}
    about = {data.get("campaign_id"), data.get("to_campaign_id"), *data.get("campaign_ids", ())}
    return Outgoing(
        event_id=event.id,
        type=event.type,
        campaign_id=data.get("campaign_id") or "",
        campaigns=frozenset(each for each in about if each),
        body=_encoded({name: whole[name] for name in _ENVELOPE} | {"data": shown}),
    )


def without_name(body: bytes) -> bytes:
    """The body of a donation whose donor is not to be named any more, as if it had come anonymously."""
    whole = json.loads(body)
    whole["data"].pop("shown_name", None)
    return _encoded(whole)


def ping(event_id: str, endpoint_id: str, at: str) -> Outgoing:
    """A test message to one endpoint; `at` is RFC 3339 in UTC."""
    body = {
        "specversion": "1.0",
        "id": event_id,
        "source": "notification/webhooks",
        "type": PING,
        "subject": endpoint_id,
        "time": at,
        "datacontenttype": "application/json",
        "data": {"endpoint_id": endpoint_id},
    }
    return Outgoing(event_id, PING, "", frozenset(), _encoded(body))


def _encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
