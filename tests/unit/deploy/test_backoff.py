"""When an ended process is started again."""

from deploy.local.backoff import FIRST_S, LONGEST_S, STEADY_S, Backoff


def test_the_pause_doubles_up_to_a_bound() -> None:
    backoff = Backoff()
    pauses = []
    now = 0.0
    for _ in range(8):
        pauses.append(backoff.ended(now))
        assert not backoff.due(now)
        now += pauses[-1]
        assert backoff.due(now)
        backoff.started(now)
    assert pauses[:5] == [0.5, 1, 2, 4, 8]
    assert pauses[-1] == LONGEST_S
    assert backoff.restarts == 8


def test_who_has_run_long_is_started_again_soon() -> None:
    backoff = Backoff()
    for now in (0.0, 1.0, 2.0):
        backoff.ended(now)
        backoff.started(now)
    assert backoff.ended(2.0 + STEADY_S) == FIRST_S
