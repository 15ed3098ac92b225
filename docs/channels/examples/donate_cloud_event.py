"""Publishes one donation as a CloudEvent, with the CloudEvents project's own library.

pip install cloudevents confluent-kafka
KAFKA_*, SHANLIU_TOPIC: what `shanliu channel-access` has shown
usage: donate_cloud_event.py binary|structured TRANSACTION_ID CAMPAIGN_ID AMOUNT_FEN OCCURRED_AT

OCCURRED_AT: when the donor paid, as 2027-01-01T20:15:00+08:00; the same when it is published again.
"""

import sys

from cloudevents.core.bindings.kafka import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from donate_kafka import publish


def main() -> None:
    """Publish the donation that the command line names."""
    mode, transaction_id, campaign_id, amount_fen, occurred_at = sys.argv[1:]
    attributes = {
        "type": "org.shanliu.intake.donation.v1",
        "source": "/tills/7",  # yours; the library makes the id and the time
        "datacontenttype": "application/json",
    }
    donation = {
        "transaction_id": transaction_id,
        "campaign_id": campaign_id,
        "amount_fen": int(amount_fen),
        "currency": "CNY",
        "occurred_at": occurred_at,
        "donor": {"kind": "person", "display": "alias", "alias": "爱心人士"},
    }
    write = {"binary": to_binary, "structured": to_structured}[mode]
    record = write(CloudEvent(attributes, donation), JSONFormat())
    publish(transaction_id, record.value, record.headers)


if __name__ == "__main__":
    main()
