"""Topics copied between two brokers that let in nobody without TLS, a user and a right: by users of
deploy/acls.yaml that may do exactly this, tried with others too.
"""

import contextlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic
from typer.testing import CliRunner

from deploy.access import Gatekeeper, librdkafka, service_role
from deploy.certificates import Wanted, write_certificates
from deploy.cli import app
from deploy.copying import client_of
from deploy.local.kafka import LocalKafka
from deploy.local.layout import LOOPBACK
from deploy.local.problems import StackProblem
from deploy.local.processes import Keeper, wait_until
from shared.broker import DONATION_WORKER_GROUP
from shared.kafka_client import KafkaClientSettings

pytestmark = pytest.mark.faults

NAMESPACE = "moved."
EVENTS, INTAKE, TOTALS = (f"{NAMESPACE}{name}" for name in ("donation.events", "intake.partner", "totals"))
GROUP = NAMESPACE + DONATION_WORKER_GROUP
HOW_FAR = re.compile(r"^  \S+/\d+: [\d,]+ of [\d,]+\n", re.MULTILINE)
SEALED = """
listener.name.secured.ssl.keystore.type=PEM
listener.name.secured.ssl.keystore.location={certificate}
"""


class Sealed(LocalKafka):
    """Its secured door has TLS."""

    certificate: Path

    def _write_properties(self) -> Path:
        path = super()._write_properties()
        text = path.read_text("utf-8").replace("SECURED:SASL_PLAINTEXT", "SECURED:SASL_SSL")
        path.write_text(text + SEALED.format(certificate=self.certificate), "utf-8")
        return path


@dataclass
class Side:
    """A broker, and the files that its users were given."""

    broker: Sealed
    authority: Path
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def plain(self) -> dict[str, Any]:
        """As nobody, who may do everything, by the door that tests alone have."""
        return {"bootstrap.servers": self.broker.bootstrap}

    def file(self, folder: Path, user: str, **changes: str) -> str:
        """What `shanliu service-access` prints, for a user that is made now, with something changed."""
        plain = KafkaClientSettings(kafka_bootstrap_servers=self.broker.bootstrap)
        access = Gatekeeper(plain, NAMESPACE).give(service_role(user))
        said = {
            "KAFKA_BOOTSTRAP_SERVERS": self.broker.secured,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": access.user,
            "KAFKA_SASL_PASSWORD": access.password,
            "KAFKA_SSL_CAFILE": str(self.authority),
        }
        path = folder / f"{self.broker.port}-{user}-{len(self.files)}.env"
        path.write_text("".join(f"{name}={value}\n" for name, value in (said | changes).items()), "utf-8")
        self.files[path.name] = path
        return str(path)


@pytest.fixture(scope="module")
def sides(workplace: Path, keeper: Keeper) -> Iterator[tuple[Side, Side]]:
    """The old Kafka and the new one, each with an authority of its own."""
    made = []
    with contextlib.ExitStack() as ending:
        for name in ("old", "new"):
            folder = workplace / f"sealed-{name}"
            write_certificates(folder / "pki", [Wanted("broker", (LOOPBACK,))])
            broker = Sealed(folder, keeper=keeper, short_lived=True)
            broker.certificate = folder / "pki" / "broker.pem"
            ending.callback(broker.kill)
            made.append(Side(broker, folder / "pki" / "ca.pem"))
        for side in made:
            side.broker.launch()
        for side in made:
            side.broker.wait_ready()
        yield made[0], made[1]


@pytest.fixture(scope="module")
def history(sides: tuple[Side, Side]) -> dict[str, list[Any]]:
    """What lies on the old one: gaps of transactions, a beginning that retention took, a group."""
    old = sides[0].plain
    admin = AdminClient(old)
    topics = [NewTopic(name, 2, config={"retention.ms": "-1"}) for name in (EVENTS, INTAKE, TOTALS)]
    for made in admin.create_topics(topics).values():
        made.result(30)
    producer = Producer(old)
    for number in range(400):
        for topic in (EVENTS, INTAKE, TOTALS):
            value = json.dumps({"number": number}).encode()
            producer.produce(topic, value, b"key", number % 2, headers=[("of", b"test")])
    assert producer.flush(30) == 0
    transactional = Producer(old | {"transactional.id": "a-channel"})
    transactional.init_transactions(30)
    for commit in (True, False, True):
        transactional.begin_transaction()
        for number in range(5):
            transactional.produce(INTAKE, str(number).encode(), partition=number % 2)
        (transactional.commit_transaction if commit else transactional.abort_transaction)(30)
    admin.delete_records([TopicPartition(EVENTS, 0, 50)])
    stood = [ConsumerGroupTopicPartitions(GROUP, [TopicPartition(INTAKE, 0, 123)])]

    def stands() -> bool:
        """A broker may not know of the topic or of the group for a moment, and says so of the partition."""
        done = admin.alter_consumer_group_offsets(stood)[GROUP].result(30)
        return all(place.error is None for place in done.topic_partitions)

    assert wait_until(stands, 30)
    return lying(old)


def lying(client: dict[str, Any]) -> dict[str, list[Any]]:
    """Every record of the two topics that are copied, where it lies; and where they begin and end."""
    consumer = Consumer(
        client | {"group.id": "look", "enable.auto.commit": False, "enable.partition.eof": True}
    )
    found: dict[str, list[Any]] = {}
    for topic in (EVENTS, INTAKE):
        for partition in (0, 1):
            lies = found[f"{topic}/{partition}"] = [
                consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            ]
            consumer.assign([TopicPartition(topic, partition, lies[0][0])])
            while (message := consumer.poll(10)) is not None and message.error() is None:
                lies.append((message.offset(), message.key(), message.value(), message.headers()))
            consumer.unassign()
    consumer.close()
    return found


def copy(old: str, new: str) -> tuple[int, str]:
    """(exit code, what was said) of the command; what a user can mend is raised. How far it is stands between
    the lines when it takes longer than a moment: that is left out.
    """
    done = CliRunner().invoke(app, ["topics", "copy", old, new, "--namespace", NAMESPACE])
    if isinstance(done.exception, StackProblem):
        raise done.exception
    return done.exit_code, HOW_FAR.sub("", done.output)


def test_who_copies_may_do_that_and_no_more(
    sides: tuple[Side, Side], history: dict[str, list[Any]], tmp_path: Path
) -> None:
    old, new = sides
    reads, writes = old.file(tmp_path, "copy-from"), new.file(tmp_path, "copy-to")
    for one, other, says in (
        (old.file(tmp_path, "operations"), writes, "may not do that|can't be read"),
        (old.file(tmp_path, "notification"), writes, "may not do that|can't be read"),
        (reads, new.file(tmp_path, "copy-from"), "may not do that"),
        (reads, new.file(tmp_path, "verify"), "may not do that"),
    ):
        with pytest.raises(StackProblem, match=says):
            copy(one, other)
    assert copy(reads, writes) == (0, copied_lines())
    assert lying(new.plain) == history
    assert places(new, GROUP) == [(INTAKE, 0, 123)]
    assert TOTALS not in AdminClient(new.plain).list_topics(timeout=10).topics


def places(side: Side, group: str) -> list[tuple[str, int, int]]:
    """Where a group stands."""
    admin = AdminClient(side.plain)  # kept: one that is gone answers nothing
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
    return [(each.topic, each.partition, each.offset) for each in asked[group].result(30).topic_partitions]


def copied_lines() -> str:
    return (
        f"  copied  {EVENTS}\n  copied  {INTAKE}\n  760 records copied\n"
        "  every partition ends where the old one ends\n"
    )


def test_a_wrong_password_and_a_broker_that_nobody_vouches_for_are_told(
    sides: tuple[Side, Side], history: dict[str, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.copying.ANSWER_S", 3.0)
    old, new = sides
    writes = new.file(tmp_path, "copy-to")
    with pytest.raises(StackProblem, match="The topics can't be copied"):
        copy(old.file(tmp_path, "copy-from", KAFKA_SASL_PASSWORD="wrong"), writes)
    with pytest.raises(StackProblem, match="The topics can't be copied"):
        copy(old.file(tmp_path, "copy-from", KAFKA_SSL_CAFILE=str(new.authority)), writes)
    with pytest.raises(StackProblem, match="does not say KAFKA_BOOTSTRAP_SERVERS"):
        copy(str(old.authority), writes)


def test_what_is_no_part_of_a_copy_is_forbidden_to_who_copies(
    sides: tuple[Side, Side], history: dict[str, list[Any]], tmp_path: Path
) -> None:
    old, new = sides
    reads = librdkafka(client_of(old.file(tmp_path, "copy-from")))
    writes = librdkafka(client_of(new.file(tmp_path, "copy-to")))
    failed: list[Any] = []
    producer = Producer(reads)
    producer.produce(INTAKE, b"forged", on_delivery=lambda error, _: failed.append(error.name()))
    producer.flush(10)
    assert failed == ["TOPIC_AUTHORIZATION_FAILED"]
    mine, theirs = AdminClient(reads), AdminClient(writes)
    for asked in (
        mine.create_topics([NewTopic(f"{NAMESPACE}contacts", 1)]),
        mine.delete_records([TopicPartition(EVENTS, 1, 1)]),
        theirs.create_topics([NewTopic(f"{NAMESPACE}other", 1)]),
        theirs.create_topics([NewTopic(TOTALS, 1)]),
    ):
        for future in asked.values():
            with pytest.raises(KafkaException, match="AUTHORIZATION_FAILED"):
                future.result(30)
    other = Producer(writes | {"transactional.id": f"{NAMESPACE}another"})
    with pytest.raises(KafkaException, match="TRANSACTIONAL_ID_AUTHORIZATION_FAILED"):
        other.init_transactions(10)


def test_a_place_that_the_old_kafka_does_not_tell_is_asked_for_again_and_never_passed_over(
    sides: tuple[Side, Side], history: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction over a group's place is open: the broker answers with an error for this place alone."""
    old, new = (side.broker.bootstrap for side in sides)
    group = f"{NAMESPACE}reads-and-writes"
    producer = Producer(sides[0].plain | {"transactional.id": group})
    producer.init_transactions(30)
    reader = Consumer(sides[0].plain | {"group.id": group})
    for offset in (70, 77):
        producer.begin_transaction()
        place = TopicPartition(INTAKE, 1, offset)
        producer.send_offsets_to_transaction([place], reader.consumer_group_metadata(), 30)
        if offset == 70:
            producer.commit_transaction(30)

    with monkeypatch.context() as patience:
        patience.setattr("deploy.copying.PLACE_S", 0.5)
        with pytest.raises(StackProblem, match=f"place of the group {group} in {INTAKE}/1 can't be copied"):
            copy(old, new)

    waited = 0

    def committed(_: float) -> None:
        """Whoever waits finds the transaction committed."""
        nonlocal waited
        waited += 1
        if waited == 1:
            producer.commit_transaction(30)

    monkeypatch.setattr("deploy.copying.time", SimpleNamespace(monotonic=time.monotonic, sleep=committed))
    assert copy(old, new)[0] == 0
    assert waited
    assert places(sides[1], group) == [(INTAKE, 1, 77)]
    reader.close()
