"""Who may take an entry of the desk back, and until when."""

from datetime import UTC, datetime, timedelta

import pytest

from services.donation.desk.undoing import Asker, Entered, NotYours, Undone, UndoOver, require_undoable
from shared.refusals import Refused

UNTIL = datetime(2027, 1, 17, 12, 10, tzinfo=UTC)
IN_TIME, LATE = UNTIL, UNTIL + timedelta(seconds=1)
LIN = Asker("lin", is_administrator=False, is_finance=False)
MEI = Asker("mei", is_administrator=False, is_finance=False)
FINANCE = Asker("zhao", is_administrator=False, is_finance=True)
ADMINISTRATOR = Asker("wang", is_administrator=True, is_finance=False)


def entered(*, drawer_closed: bool = False, undone: bool = False) -> Entered:
    return Entered("lin", UNTIL, drawer_closed=drawer_closed, undone=undone)


@pytest.mark.parametrize(
    ("entry", "asker", "now", "refusal"),
    [
        (entered(), LIN, IN_TIME, None),
        (entered(), LIN, LATE, UndoOver),
        (entered(), MEI, IN_TIME, NotYours),
        (entered(drawer_closed=True), LIN, IN_TIME, UndoOver),
        (entered(undone=True), LIN, IN_TIME, Undone),
        (entered(), FINANCE, LATE, None),
        (entered(drawer_closed=True), FINANCE, LATE, None),
        (entered(undone=True), FINANCE, IN_TIME, Undone),
        (entered(), ADMINISTRATOR, IN_TIME, None),
        (entered(), ADMINISTRATOR, LATE, None),
    ],
    ids=[
        "in time", "late", "another's", "closed", "twice", "finance late", "finance closed", "finance twice",
        "administrator", "administrator late",
    ],
)  # fmt: skip
def test_who_may_undo_until_when(
    entry: Entered, asker: Asker, now: datetime, refusal: type[Refused] | None
) -> None:
    if refusal is None:
        require_undoable(entry, asker, now)
    else:
        with pytest.raises(refusal):
            require_undoable(entry, asker, now)
