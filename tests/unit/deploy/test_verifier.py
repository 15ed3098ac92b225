"""What the verifier tells Prometheus of a proof."""

import pytest
from prometheus_client import REGISTRY

from deploy.verify.judging import Difference, Verdict
from deploy.verify.watching import tell


def value(name: str) -> float | None:
    return REGISTRY.get_sample_value(name)


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ([], ["exact to the fen"]),
        ([Difference("reporting", "gala", "net_fen 5, the logs make 7")], ["1 differences"]),
    ],
)
def test_a_proof_is_told_with_its_differences(differences: list[Difference], said: list[str]) -> None:
    heard: list[str] = []
    tell(Verdict(differences=differences, seconds=1.5), heard.append)
    assert value("shanliu_verify_differences") == len(differences)
    assert value("shanliu_verify_seconds") == 1.5
    assert (value("shanliu_verify_timestamp_seconds") or 0) > 0
    assert heard == [*map(str, differences), *said]
