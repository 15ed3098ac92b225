"""Consumer lag: no group of ours is forgotten."""

from services.reporting.lag import GROUPS
from shared import broker


def test_every_consumer_group_is_watched() -> None:
    ours = {value for name, value in vars(broker).items() if name.endswith("_GROUP")}
    assert set(GROUPS) == ours
    assert len(GROUPS) == 7
