"""What counts, where it counts, and what is found when it doesn't: the rules of `verify` by themselves."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from deploy.verify.records import (
    UNUSABLE,
    SpendingRow,
    campaign_event,
    dead_position,
    donation_event,
    intake_row,
)
from deploy.verify.workbook import AMOUNTS, Evidence, Sums, Workbook
from services.donation.intake import donation_id_of, reversal_id_of

GALA = "gala"
EVERYTHING = 10**6


@dataclass
class Story:
    """The logs of one story, written as the channels and the worker write them."""

    workbook: Workbook
    tops: dict[str, int] = field(default_factory=dict)

    def sends(self, place: str, body: dict[str, Any]) -> None:
        """A record at `topic/partition:offset`."""
        source, sequence = _place(place)
        channel = source.removeprefix("intake.").partition("/")[0]
        self.workbook.add_records([intake_row(channel, source, sequence, json.dumps(body).encode())])
        self.tops[source] = max(sequence, self.tops.get(source, -1))

    def donates(self, place: str, transaction_id: str = "a", amount_fen: int = 100, **more: Any) -> None:
        body = {"transaction_id": transaction_id, "campaign_id": GALA, "amount_fen": amount_fen}
        self.sends(place, {**body, "currency": "CNY", **more})

    def refunds(self, place: str, transaction_id: str = "a", amount_fen: int = 30) -> None:
        body = {"type": "reversal", "reversal_id": "r", "transaction_id": transaction_id}
        self.sends(place, {**body, "amount_fen": amount_fen})

    def announces(
        self, place: str, kind: str = "received", *, amount_fen: int = 100, of: UUID | None = None
    ) -> None:
        """An event of donation.events."""
        source, sequence = _place(place)
        identity = of or donation_id_of("wechat", "a")
        data = {"donation_id": str(identity), "campaign_id": GALA, "amount_fen": amount_fen}
        if kind == "reversed":
            data |= {"reversal_id": str(identity)}
        event = {
            "id": place,
            "source": source,
            "sequence": f"{sequence:019d}",
            "type": f"org.shanliu.donation.{kind}.v1",
            "data": data,
        }
        row, *_ = donation_event(json.dumps(event).encode())
        assert row is not None
        self.workbook.add_events([row])

    def sums(self, **positions: int) -> Sums:
        """What the intake log makes, up to everything unless positions are given."""
        self.workbook.decide(self.tops)
        where = {name.replace("_", "/"): mark for name, mark in positions.items()}
        marks = {f"intake.{name}": mark for name, mark in where.items()}
        return self.workbook.sums(Evidence.INTAKE, GALA, marks or dict.fromkeys(self.tops, EVERYTHING))


def _place(text: str) -> tuple[str, int]:
    source, _, sequence = text.rpartition(":")
    return source, int(sequence)


@pytest.fixture
def story() -> Iterator[Story]:
    with Workbook() as workbook:
        yield Story(workbook)


REFUND = reversal_id_of("wechat", "r")
WECHAT = donation_id_of("wechat", "a")


def test_a_donation_counts_from_its_position_on(story: Story) -> None:
    story.donates("intake.wechat/0:7")
    assert story.sums(wechat_0=7) == Sums(received_fen=100, donations=1)
    assert story.workbook.sums(Evidence.INTAKE, GALA, {"intake.wechat/0": 6}) == Sums()


def test_of_a_repeated_key_the_first_counts_whatever_the_others_say(story: Story) -> None:
    story.donates("intake.wechat/0:1", amount_fen=100)
    story.donates("intake.wechat/0:2", amount_fen=100)
    story.donates("intake.wechat/0:3", amount_fen=999)
    assert story.sums() == Sums(received_fen=100, donations=1)


def test_the_same_key_of_two_channels_is_two_donations(story: Story) -> None:
    story.donates("intake.wechat/0:1")
    story.donates("intake.alipay/0:1")
    assert story.sums() == Sums(received_fen=200, donations=2)


def test_what_lies_among_the_dead_letters_does_not_count_and_its_repeat_does(story: Story) -> None:
    story.donates("intake.wechat/0:1", amount_fen=100)
    story.donates("intake.wechat/0:4", amount_fen=100)
    story.workbook.add_dead([("intake.wechat/0", 1)])
    assert story.sums(wechat_0=3) == Sums()
    assert story.workbook.sums(Evidence.INTAKE, GALA, {"intake.wechat/0": 4}).received_fen == 100


def test_a_key_in_two_partitions_counts_where_it_was_decided_on(story: Story) -> None:
    """A channel that sets no key: the log alone does not say which of the two came first."""
    story.donates("intake.wechat/0:5")
    story.donates("intake.wechat/1:2")
    story.announces("intake.wechat/1:2")
    assert story.sums(wechat_0=9, wechat_1=1) == Sums()
    assert story.workbook.sums(Evidence.INTAKE, GALA, {"intake.wechat/1": 2}).received_fen == 100


def test_a_key_in_two_partitions_that_nobody_decided_on_waits(story: Story) -> None:
    story.donates("intake.wechat/0:5")
    story.donates("intake.wechat/1:2")
    assert story.sums() == Sums()


def test_a_key_in_two_partitions_that_was_passed_over_is_lost_and_shows(story: Story) -> None:
    story.donates("intake.wechat/0:5")
    story.donates("intake.wechat/1:2")
    story.announces("intake.wechat/0:8", of=uuid4())
    story.announces("intake.wechat/1:8", of=uuid4())
    assert story.sums().received_fen == 100


def test_a_held_donation_counts_from_its_release_on(story: Story) -> None:
    story.donates("intake.wechat/0:1")
    story.announces("intake.wechat/0:1", "held")
    for offset in (4, 9):
        story.sends(f"intake.internal/2:{offset}", {"type": "release", "donation_id": str(WECHAT)})
    assert story.sums(wechat_0=9) == Sums()
    marks = {"intake.wechat/0": 9, "intake.internal/2": 4}
    assert story.workbook.sums(Evidence.INTAKE, GALA, marks) == Sums(received_fen=100, donations=1)
    assert story.workbook.counts()["held"] == 0


def test_a_decision_about_a_message_is_usable_and_moves_no_money(story: Story) -> None:
    story.donates("intake.wechat/0:1")
    decision = {"type": "message_decided", "message_id": str(WECHAT), "number": 1}
    story.sends("intake.internal/2:4", decision)
    assert story.sums() == Sums(received_fen=100, donations=1)
    assert story.workbook.breaches(9) == []
    row = intake_row("internal", "intake.internal/2", 4, json.dumps(decision).encode())
    assert (row.kind, row.key) == ("decided", WECHAT.bytes)


@pytest.mark.parametrize("kind", ["consent_withdrawn", "donor_erased"])
def test_what_takes_a_donor_s_name_away_is_usable_and_moves_no_money(story: Story, kind: str) -> None:
    story.donates("intake.wechat/0:1")
    story.sends("intake.internal/2:4", {"type": kind, "donation_id": str(WECHAT)})
    assert story.sums() == Sums(received_fen=100, donations=1)
    assert story.workbook.breaches(9) == []
    assert intake_row("internal", "intake.internal/2", 4, b'{"type": "another"}').kind == UNUSABLE


def test_a_number_says_which_donations_it_counted(story: Story) -> None:
    story.donates("intake.wechat/0:1", "a")
    story.donates("intake.wechat/0:3", "b")
    story.donates("intake.wechat/0:9", "late")
    story.donates("intake.alipay/0:2", "held")
    held = donation_id_of("alipay", "held")
    story.announces("intake.alipay/0:2", "held", of=held)
    story.sends("intake.internal/0:5", {"type": "release", "donation_id": str(held)})
    positions = {"intake.wechat/0": 8, "intake.alipay/0": 7, "intake.internal/0": 5}
    story.workbook.decide(positions)
    assert story.workbook.counted(GALA, positions) == [
        ("intake.internal/0", 5, 5, 1),
        ("intake.wechat/0", 1, 3, 2),
    ]
    wechat = [str(donation_id_of("wechat", name)) for name in ("a", "b")]
    assert story.workbook.donations(GALA, positions) == [str(held), *wechat]


def test_the_release_of_a_donation_that_was_not_held_is_nothing(story: Story) -> None:
    story.donates("intake.wechat/0:1")
    story.sends("intake.internal/2:4", {"type": "release", "donation_id": str(WECHAT)})
    assert story.sums() == Sums(received_fen=100, donations=1)


def test_a_refund_behind_its_donation_lowers_the_net(story: Story) -> None:
    story.donates("intake.wechat/0:1")
    story.refunds("intake.wechat/0:2")
    assert story.sums(wechat_0=1).net_fen == 100
    assert story.workbook.sums(Evidence.INTAKE, GALA, {"intake.wechat/0": 2}).net_fen == 70


def test_a_refund_before_its_donation_waits_until_it_comes_due(story: Story) -> None:
    story.refunds("intake.wechat/0:1")
    story.donates("intake.wechat/0:2")
    assert story.sums().net_fen == 100


def test_a_refund_that_waited_counts_where_it_came_due(story: Story) -> None:
    story.refunds("intake.wechat/0:1")
    story.donates("intake.wechat/0:2")
    story.sends("intake.internal/0:6", {"type": "reversal_due", "reversal_id": str(REFUND)})
    assert story.sums(wechat_0=9).net_fen == 100
    everything = dict.fromkeys(story.tops, EVERYTHING)
    assert story.workbook.sums(Evidence.INTAKE, GALA, everything).net_fen == 70


def test_a_refund_in_the_batch_of_its_donation_counts_where_the_event_says(story: Story) -> None:
    """Donations of a batch come first, so a refund before its donation may be decided at its own place."""
    story.refunds("intake.wechat/0:1")
    story.donates("intake.wechat/0:2")
    story.announces("intake.wechat/0:1", "reversed", amount_fen=30, of=REFUND)
    assert story.sums(wechat_0=2).net_fen == 70


def test_a_refund_that_was_refused_does_not_count(story: Story) -> None:
    story.donates("intake.wechat/0:1", amount_fen=10)
    story.refunds("intake.wechat/0:2", amount_fen=30)
    story.workbook.add_dead([("intake.wechat/0", 2)])
    assert story.sums().net_fen == 10


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b"{", "truncated"),
        (b"[1]", "no object"),
        (b'{"amount_fen": 1}', "no key"),
        (b'{"transaction_id":"a","campaign_id":"g","currency":"CNY","amount_fen":1.5}', "a float"),
        (b'{"transaction_id":"a","campaign_id":"g","currency":"CNY","amount_fen":true}', "a truth"),
        (b'{"transaction_id":"a","campaign_id":"g","currency":"CNY","amount_fen":0}', "nothing"),
        (
            b'{"transaction_id":"a","campaign_id":"g","currency":"CNY","amount_fen":10000000000001}',
            "too much",
        ),
        (b'{"transaction_id":"a","campaign_id":"g","currency":"USD","amount_fen":1}', "another currency"),
        (b'{"type":"wish","transaction_id":"a","amount_fen":1}', "another type"),
    ],
)
def test_what_cannot_be_read_must_have_a_dead_letter(story: Story, body: bytes, why: str) -> None:
    row = intake_row("wechat", "intake.wechat/0", 3, body)
    assert row.kind == UNUSABLE, why
    story.workbook.add_records([row])
    story.workbook.decide({"intake.wechat/0": 3})
    check, where = story.workbook.breaches(10)[0]
    assert (check, where) == ("unusable, but not among the dead letters", "intake.wechat/0:3")


def test_ids_are_derived_as_the_contract_says() -> None:
    body = json.dumps({"transaction_id": "T-1", "campaign_id": "g", "amount_fen": 1, "currency": "CNY"})
    row = intake_row("wechat", "intake.wechat/0", 0, body.encode())
    assert UUID(bytes=row.key) == donation_id_of("wechat", "T-1")


def test_a_cloud_event_is_the_record_inside() -> None:
    money = {"transaction_id": "T-1", "amount_fen": 1}
    donation, reversal = {**money, "campaign_id": "g", "currency": "CNY"}, {**money, "reversal_id": "R-1"}
    for kind, message in (("donation", donation), ("reversal", reversal)):
        plain = intake_row("w", "intake.w/0", 0, json.dumps({**message, "type": kind}).encode())
        assert plain.kind == kind
        name = f"org.shanliu.intake.{kind}.v1"
        event = {"specversion": "1.0", "id": "e", "source": "/x", "type": name, "data": message}
        assert intake_row("w", "intake.w/0", 0, json.dumps(event).encode()) == plain
        assert intake_row("w", "intake.w/0", 0, json.dumps(message).encode(), name.encode()) == plain
    other = json.dumps({"specversion": "1.0", "type": "org.example", "data": donation}).encode()
    assert intake_row("w", "intake.w/0", 0, other).kind == UNUSABLE
    assert intake_row("w", "intake.w/0", 0, json.dumps(donation).encode(), b"\xff").kind == UNUSABLE


def test_a_dead_letter_names_its_record() -> None:
    assert dead_position(b'{"topic":"intake.wechat","partition":2,"offset":41}') == ("intake.wechat/2", 41)
    assert dead_position(b"{}") is None


# ---------------------------------------------------------------- what is found


def mismatches(story: Story) -> list[tuple[str, tuple[int, ...] | None, tuple[int, ...] | None]]:
    """Where, and what was received and reversed: expected, and found."""
    story.workbook.decide(story.tops)
    found = story.workbook.mismatches(Evidence.INTAKE, Evidence.EVENTS, None, 10)
    return [
        (f"{each.source}:{each.sequence}", each.expected and each.expected[:2], each.found and each.found[:2])
        for each in found
    ]


def test_an_event_that_is_missing_is_named(story: Story) -> None:
    story.donates("intake.wechat/0:1")
    assert mismatches(story) == [("intake.wechat/0:1", (100, 0), None)]


def test_an_event_of_another_amount_is_named(story: Story) -> None:
    story.donates("intake.wechat/0:1")
    story.announces("intake.wechat/0:1", amount_fen=101)
    assert mismatches(story) == [("intake.wechat/0:1", (100, 0), (101, 0))]


def test_an_event_that_nobody_sent_a_donation_for_is_named(story: Story) -> None:
    story.tops["intake.wechat/0"] = 1
    story.announces("intake.wechat/0:1")
    assert mismatches(story) == [("intake.wechat/0:1", None, (100, 0))]


def test_what_lies_beyond_the_stated_positions_is_not_compared(story: Story) -> None:
    story.donates("intake.wechat/0:1")
    story.tops["intake.wechat/0"] = 0
    assert mismatches(story) == []
    assert story.workbook.behind(GALA, {"intake.wechat/0": 0}) == 1


def test_a_donation_that_counted_twice_is_named(story: Story) -> None:
    story.donates("intake.wechat/0:1")
    story.announces("intake.wechat/0:1")
    story.announces("intake.wechat/0:2")
    story.workbook.decide(story.tops)
    assert [check for check, _ in story.workbook.breaches(10)] == ["counted twice"]


def test_an_event_that_is_repeated_with_other_content_is_named(story: Story) -> None:
    story.donates("intake.wechat/0:1")
    story.announces("intake.wechat/0:1")
    other, *_ = donation_event(
        json.dumps(
            {
                "id": "intake.wechat/0:1",
                "source": "intake.wechat/0",
                "sequence": "1",
                "type": "org.shanliu.donation.received.v1",
                "data": {"donation_id": str(WECHAT), "campaign_id": GALA, "amount_fen": 1},
            }
        ).encode()
    )
    assert other is not None
    story.workbook.add_repeats([other])
    story.workbook.decide(story.tops)
    assert story.workbook.breaches(10) == [("repeated with other content", "intake.wechat/0:1")]


def test_a_corrected_promise_counts_by_its_difference() -> None:
    def promised(kind: str, **data: int) -> int:
        event = {"source": "campaign/1", "sequence": "1", "type": f"org.shanliu.pledge.{kind}.v1"}
        rows, *_ = campaign_event(json.dumps({**event, "data": {"campaign_id": GALA, **data}}).encode())
        return sum(row.promised_fen for row in rows)

    assert promised("made", amount_fen=500) == 500
    assert promised("corrected", amount_fen=50, previous_amount_fen=500) == -450
    assert promised("released", amount_fen=50, released_fen=50) == 0


def test_what_came_back_stands_beside_what_was_paid_out() -> None:
    def spent(kind: str, amount_fen: int) -> tuple[int, int]:
        event = {"source": "campaign/1", "sequence": "1", "type": f"org.shanliu.disbursement.{kind}.v1"}
        body = {**event, "data": {"campaign_id": GALA, "amount_fen": amount_fen}}
        rows, *_ = campaign_event(json.dumps(body).encode())
        return sum(row.disbursed_fen for row in rows), sum(row.returned_fen for row in rows)

    assert spent("paid", 500) == (500, 0)
    assert spent("returned", 40) == (0, 40)
    assert spent("withdrawn", 500) == spent("approved", 500) == (0, 0)


def test_a_transfer_changes_two_funds_and_one_to_a_trust_only_its_own() -> None:
    def moved(**data: object) -> list[tuple[str, int, int]]:
        event = {"source": "campaign/1", "sequence": "1", "type": "org.shanliu.funds.transferred.v1"}
        body = {**event, "data": {"campaign_id": GALA, "amount_fen": 500, **data}}
        rows, *_ = campaign_event(json.dumps(body).encode())
        return [(row.campaign_id, row.transferred_in_fen, row.transferred_out_fen) for row in rows]

    assert moved(to_campaign_id="homes") == [(GALA, 0, 500), ("homes", 500, 0)]
    assert moved(to_campaign_id=None) == [(GALA, 0, 500)]


def test_goods_count_at_their_values_less_what_goes_back() -> None:
    def counted(kind: str) -> tuple[int, int, int]:
        event = {"source": "campaign/1", "sequence": "1", "type": f"org.shanliu.goods.{kind}.v1"}
        body = {**event, "data": {"campaign_id": GALA, "value_fen": 500}}
        (row,), *_ = campaign_event(json.dumps(body).encode())
        assert (row.promised_fen, row.disbursed_fen) == (0, 0)
        return row.goods_received_fen, row.goods_distributed_fen, row.goods_written_off_fen

    assert counted("received") == (500, 0, 0)
    assert counted("reversed") == (-500, 0, 0)
    assert counted("distributed") == (0, 500, 0)
    assert counted("returned") == (0, -500, 0)
    assert counted("written-off") == (0, 0, 500)


def test_a_difference_in_one_amount_is_found_with_all_of_them(story: Story) -> None:
    place = ("campaign/1", 7, GALA)
    for evidence, goods_fen in ((Evidence.OUTBOX, 500), (Evidence.CAMPAIGN_EVENTS, 499)):
        story.workbook.add_spending(evidence, [SpendingRow(*place, goods_received_fen=goods_fen)])
    story.workbook.decide({"campaign/1": 7})
    (found,) = story.workbook.mismatches(Evidence.OUTBOX, Evidence.CAMPAIGN_EVENTS, None, 10)
    assert found.expected is not None
    assert found.found is not None
    said = [dict(zip(AMOUNTS, each, strict=True)) for each in (found.expected, found.found)]
    assert [each["goods_received_fen"] for each in said] == [500, 499]
    assert sum(map(sum, (found.expected, found.found))) == 999
    sums = story.workbook.sums(Evidence.OUTBOX, GALA, {"campaign/1": 7})
    assert sums == Sums(goods_received_fen=500)


def test_more_back_than_was_given_is_named(story: Story) -> None:
    story.donates("intake.wechat/0:1", amount_fen=10)
    story.refunds("intake.wechat/0:2", amount_fen=30)
    story.announces("intake.wechat/0:1", amount_fen=10)
    story.announces("intake.wechat/0:2", "reversed", amount_fen=30, of=REFUND)
    story.workbook.decide(story.tops)
    assert [check for check, _ in story.workbook.breaches(10)] == ["more went back than was given"]
