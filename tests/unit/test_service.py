"""What a service's application does to the process that it lives in."""

import gc

from shared.service import collecting_seldom


def test_what_was_frozen_before_an_application_stays_frozen_when_it_ends() -> None:
    """Or all that the run has loaded is looked through for garbage again and again."""
    gc.freeze()
    frozen = gc.get_freeze_count()
    with collecting_seldom():
        assert gc.get_threshold()[0] == 50_000
    assert gc.get_freeze_count() > frozen // 2
