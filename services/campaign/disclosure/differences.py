"""What a correction changes: every cell that is another, every row that came or went, the remarks. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

from shared.events.documents import Change, Column, Document, Row, Table

MAX_CHANGES: Final = 200
"""Listed in a correction; how many more there are is said."""

REMARKS: Final = "说明"


def changes(before: Document, after: Document) -> list[Change]:
    """Every difference in tables and remarks, in the order in which they stand in the new document.

    Not the heading and not the position, which is another each time. Tables, rows and columns are the same
    when their ids are.
    """
    old = {table.id: table for table in before.tables}
    new = {table.id: table for table in after.tables}
    tables = dict.fromkeys([*new, *old])
    found = [change for each in tables for change in _in_table(old.get(each), new.get(each))]
    return [*found, *_in_remarks(before.remarks, after.remarks)]


def _in_table(old: Table | None, new: Table | None) -> Iterator[Change]:
    table = new or old
    assert table is not None
    before, after = _rows(old), _rows(new)
    for row_id in dict.fromkeys([*after, *before]):
        yield from _in_row(table, before.get(row_id), after.get(row_id))


_Cells = tuple[Row, dict[str, tuple[Column, str | int | None]]]


def _rows(table: Table | None) -> dict[str, _Cells]:
    if table is None:
        return {}
    columns = table.columns
    return {
        row.id: (row, {column.id: (column, cell) for column, cell in zip(columns, row.cells, strict=True)})
        for row in table.rows
    }


def _in_row(table: Table, old: _Cells | None, new: _Cells | None) -> Iterator[Change]:
    """Of a row that came or went, its figures: its words say which it is."""
    shown = new or old
    assert shown is not None
    row, cells = shown
    was, now = (old[1] if old else {}), (new[1] if new else {})
    name = str(next((cell for cell in row.cells if isinstance(cell, str)), row.id))
    only_figures = old is None or new is None
    for column_id in dict.fromkeys([*now, *was]):
        column = (now.get(column_id) or was[column_id])[0]
        if only_figures and column.kind == "text" and len(cells) > 1:
            continue
        before = was[column_id][1] if column_id in was else None
        after = now[column_id][1] if column_id in now else None
        if before != after:
            yield Change(
                table=table.title,
                row=name,
                column=column.label,
                kind=column.kind,
                before=before,
                after=after,
            )


def _in_remarks(before: Iterable[str], after: Iterable[str]) -> Iterator[Change]:
    was, now = list(before), list(after)
    for remark in was:
        if remark not in now:
            yield Change(table=REMARKS, row="", column="", kind="text", before=remark)
    for remark in now:
        if remark not in was:
            yield Change(table=REMARKS, row="", column="", kind="text", after=remark)
