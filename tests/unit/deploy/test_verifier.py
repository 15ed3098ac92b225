"""What the verifier tells Prometheus of a proof, and what it says when it can't."""

import socket

import pytest
from prometheus_client import REGISTRY

from deploy.local.problems import StackProblem
from deploy.verify.judging import Difference, Verdict
from deploy.verify.watching import Slowly, tell, watch
from deploy.verify.workbook import Workbook


def value(name: str) -> float | None:
    return REGISTRY.get_sample_value(name)


WRONG = Difference("reporting", "gala", "net_fen 5, the logs make 7")
BEHIND = Difference("stream", "positions", "still behind the logs after 30 s")


@pytest.mark.parametrize(
    ("differences", "behind", "said"),
    [
        ([], [], ["exact to the fen"]),
        ([WRONG], [], ["1 differences"]),
        ([], [BEHIND], ["1 places behind the logs"]),
        ([WRONG], [BEHIND], ["1 differences, 1 places behind the logs"]),
    ],
)
def test_a_proof_is_told_with_its_differences_and_apart_with_what_is_only_behind(
    differences: list[Difference], behind: list[Difference], said: list[str]
) -> None:
    heard: list[str] = []
    verdict = Verdict(differences=differences, behind=behind, seconds=1.5)
    tell(verdict, heard.append)
    assert value("shanliu_verify_differences") == len(differences)
    assert value("shanliu_verify_behind") == len(behind)
    assert value("shanliu_verify_seconds") == 1.5
    assert (value("shanliu_verify_timestamp_seconds") or 0) > 0
    assert heard == [*map(str, [*differences, *behind]), *said]
    assert verdict.exact == verdict.as_json()["exact"] == (said == ["exact to the fen"])


def test_how_far_a_long_proof_is_is_said_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    slowly = Slowly(said.append)
    slowly("reading donation.events", 10_000, 1_000_000)
    assert said == []
    monkeypatch.setattr("deploy.verify.watching.TELL_EVERY_S", 0.0)
    slowly("reading donation.events", 20_000, 1_000_000)
    slowly("rules: each donation once", 1, 5)
    assert said == ["reading donation.events: 20,000 of 1,000,000", "rules: each donation once: 1 of 5"]


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StackProblem, match="--port"):
        watch(60, taken.getsockname(), 0, lambda _: None)


def test_a_workbook_that_finds_no_room_is_one_line() -> None:
    def fill_in() -> None:
        with Workbook() as workbook:
            workbook._database.execute("PRAGMA max_page_count = 64")
            workbook.add_dead((f"intake.wechat/{number}", number) for number in range(100_000))

    with pytest.raises(StackProblem, match="disk is full"):
        fill_in()
