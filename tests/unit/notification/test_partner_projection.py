"""What of an event goes out: only what is written down, and nothing of a donor's but the name shown by
consent.
"""

import json
import time
from uuid import uuid4

import pytest
from standardwebhooks.webhooks import Webhook

from services.notification.partners.projection import PING, PUBLIC, Wish, outgoing, ping
from services.notification.partners.signing import headers_of, new_secret
from shared.events import EVENT_CLASSES
from tests.services.notification.builders import AT, GALA, Source

BY_TYPE = {each.TYPE: each for each in EVENT_CLASSES}
PRIVATE = {"fee_fen", "has_contact", "released", "email", "phone", "message", "content", "report_reference"}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_field_that_goes_out_is_one_of_the_event(name: str) -> None:
    fields = BY_TYPE[name].model_fields["data"].annotation
    assert fields is not None
    assert set(PUBLIC[name]) <= set(fields.model_fields)
    assert not PRIVATE & set(PUBLIC[name])


def test_a_donation_goes_out_without_fee_and_contact() -> None:
    event = Source("intake.wechat/0").received(uuid4(), fee_fen=7, shown_name="王先生")
    told = outgoing(event)
    assert told is not None
    body = json.loads(told.body)
    assert body["id"] == told.event_id == event.id
    assert body["time"] == "2024-01-05T12:30:15Z"
    assert body["sequence"] == f"{event.sequence:019d}"
    assert "previous" not in body
    assert set(body["data"]) <= set(PUBLIC[event.type])
    assert body["data"]["shown_name"] == "王先生"


def test_an_anonymous_donor_stays_so() -> None:
    told = outgoing(Source("intake.wechat/0").received(uuid4()))
    assert told is not None
    assert "shown_name" not in json.loads(told.body)["data"]


def test_what_is_not_written_down_stays_inside() -> None:
    source = Source("intake.wechat/0")
    assert outgoing(source.held(uuid4())) is None
    assert outgoing(source.conflicted(uuid4())) is None


def test_a_wish_is_for_types_and_campaigns() -> None:
    told = outgoing(Source("campaign/0").launched())
    assert told is not None
    assert Wish(frozenset({told.type})).takes(told)
    assert Wish(frozenset({told.type}), frozenset({GALA, "x"})).takes(told)
    assert not Wish(frozenset({told.type}), frozenset({"x"})).takes(told)
    assert not Wish(frozenset({PING})).takes(told)


def test_each_valid_secret_signs_as_the_library_reads_it() -> None:
    old, new = new_secret(), new_secret()
    message = ping("ping:1", "e", AT.isoformat())
    headers = headers_of([new, old], message.event_id, int(time.time()), message.body)
    for secret in (old, new):
        assert Webhook(secret).verify(message.body, headers)["type"] == PING
    assert len({new_secret() for _ in range(50)}) == 50
