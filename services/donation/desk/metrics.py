"""What the desk measures, in the processes that send its messages."""

from shared.measured import Measured

UNSENT = Measured("shanliu_desk_unsent", "Entries and undos of the desk that the broker has not confirmed")
OPEN_DRAWERS = Measured(
    "shanliu_desk_open_drawers", "Halls with entries that were not counted yet: drawers to be closed"
)
UNDOABLE = Measured(
    "shanliu_desk_undoable_entries", "Entries of open drawers that who entered them can still undo"
)
