"""Publishes one donation with confluent-kafka.

pip install confluent-kafka
KAFKA_*, SHANLIU_TOPIC: what `shanliu channel-access` has shown
usage: donate_kafka.py TRANSACTION_ID CAMPAIGN_ID AMOUNT_FEN OCCURRED_AT

OCCURRED_AT: when the donor paid, as 2027-01-01T20:15:00+08:00; the same when it is published again.
"""

import json
import os
import sys
from collections.abc import Mapping

from confluent_kafka import KafkaError, Message, Producer

TIMEOUT_S = 30


def publish(key: str, value: bytes, headers: Mapping[str, bytes]) -> None:
    """Publish one record and wait for all replicas; exit code 1 when the broker doesn't take it."""
    producer = Producer(
        {
            "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            "security.protocol": os.environ["KAFKA_SECURITY_PROTOCOL"],
            "sasl.mechanism": os.environ["KAFKA_SASL_MECHANISM"],
            "sasl.username": os.environ["KAFKA_SASL_USERNAME"],
            "sasl.password": os.environ["KAFKA_SASL_PASSWORD"],
            "acks": "all",
            "enable.idempotence": True,
            "message.timeout.ms": TIMEOUT_S * 1000,
        }
    )
    failed: list[str] = []

    def delivered(error: KafkaError | None, record: Message) -> None:
        if error is not None:
            failed.append(error.str())
        else:
            print(f"{record.topic()}/{record.partition()}:{record.offset()}")

    topic = os.environ["SHANLIU_TOPIC"]
    producer.produce(topic, value, key=key, headers=list(headers.items()), on_delivery=delivered)
    if producer.flush(TIMEOUT_S + 5) or failed:
        raise SystemExit(f"not confirmed, publish it again: {failed}")


def main() -> None:
    """Publish the donation that the command line names."""
    transaction_id, campaign_id, amount_fen, occurred_at = sys.argv[1:]
    message = {
        "transaction_id": transaction_id,
        "campaign_id": campaign_id,
        "amount_fen": int(amount_fen),
        "currency": "CNY",
        "occurred_at": occurred_at,
        "donor": {"kind": "person", "display": "anonymous"},
    }
    publish(transaction_id, json.dumps(message, ensure_ascii=False).encode(), {})


if __name__ == "__main__":
    main()
