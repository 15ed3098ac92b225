"""What acls.yaml grants fits what the services are, and no client comes in as nobody."""

import re
from pathlib import Path

import pytest

from deploy.access import Grant, declared
from deploy.topics import declared as declared_topics
from shared import broker

SERVICES = Path(__file__).parents[3] / "services"
GROUPS = sorted(value for name, value in vars(broker).items() if name.endswith("_GROUP"))


def covers(grant: Grant, kind: str, name: str) -> bool:
    pattern = getattr(grant, kind) or ""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


FOR_A_MOVE = {"copy-from", "copy-to"}
"""Made for the move to another Kafka, which nobody else uses yet or any more."""


def who_may(operation: str, kind: str, name: str) -> set[str]:
    return {
        service
        for service, role in declared().services.items()
        if service not in FOR_A_MOVE
        and any(operation in grant.may and covers(grant, kind, name) for grant in role.grants)
    }


@pytest.mark.parametrize("group", GROUPS)
def test_each_consumer_group_is_one_services(group: str) -> None:
    assert len(who_may("READ", "group", group) - {"restore"}) == 1
    assert who_may("DESCRIBE", "group", group) <= {"reporting"}


def test_each_topic_has_its_writers_and_no_others() -> None:
    everybody = {"donation", "campaign", "notification", "reporting"}
    assert {topic: who_may("WRITE", "topic", topic) for topic in declared_topics()} == {
        "intake.internal": {"donation"},
        "intake.desk": {"donation"},
        "donation.events": {"donation"},
        "campaign.events": {"campaign"},
        "notification.events": {"notification"},
        "totals": {"reporting"},
        "contacts": {"donation"},
        "dead-letter": everybody,
    }
    assert who_may("READ", "topic", "contacts") == {"notification", "restore"}
    assert who_may("READ", "topic", "intake.partner") == {"donation", "verify", "restore"}


def test_who_copies_reads_on_one_side_and_writes_on_the_other_alone() -> None:
    every = {f"{topic}*" if topic.endswith(".") else topic for topic in {*declared_topics(), "intake."}}
    copied = {topic for topic in every if not topic.startswith("intake.i") and topic not in UNCOPIED}
    for name, may in (("copy-from", {"READ", "DESCRIBE_CONFIGS"}), ("copy-to", ON_THE_NEW)):
        role = declared().services[name]
        assert {grant.topic: set(grant.may) for grant in role.grants if grant.topic} == dict.fromkeys(
            copied, may
        )
        assert not [grant for grant in role.grants if grant.cluster]
        groups = [grant.group for grant in role.grants if grant.group]
        for group in GROUPS:
            assert sum(covers(Grant(group=each, may=("READ",)), "group", group) for each in groups) == 1, (
                group
            )


UNCOPIED = {"totals", "intake.desk"}
ON_THE_NEW = {"CREATE", "READ", "WRITE", "DELETE", "ALTER_CONFIGS"}


def test_a_channel_may_write_to_its_topic_and_see_it() -> None:
    role = declared().channel
    assert [(grant.topic, set(grant.may)) for grant in role.grants] == [
        ("intake.{channel}", {"WRITE", "DESCRIBE"})
    ]


def test_every_client_of_a_service_says_who_it_is() -> None:
    """With `**settings.client()`: servers alone would be let in on one machine only."""
    found = [
        str(path.relative_to(SERVICES))
        for path in SERVICES.rglob("*.py")
        if re.search(r"bootstrap_servers\s*=", path.read_text("utf-8"))
    ]
    assert not found
