"""The console's lists while they change under the hand: what is meant is what was pointed at."""

import pytest
from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LIST = """async rows => {
    const {Table} = await import('/static/table.js');
    document.body.replaceChildren(document.createElement('div'));
    window.keys = new Map();
    window.done = [];
    window.shown = rows;
    const on = (key, _, run) => keys.set(key, run);
    const shell = {say: key => key, keys: {on}, alarm() {}, words: String};
    window.table = new Table(document.body.firstChild, shell, {
        source: {rows: () => window.shown.map(id => ({id}))},
        id: row => row.id,
        columns: [{key: 'id', title: 'id'}],
        actions: [{key: 'a', title: 'approve', run: ([row]) => done.push(`a ${row.id}`)}],
        open: row => done.push(`open ${row.id}`),
    });
    await table.reload();
}"""
SHOW = "async rows => { window.shown = rows; await table.reload(); }"
CURSOR = "document.querySelector('tr[data-cursor]').dataset.id"


async def test_a_row_that_was_pointed_at_is_the_one_that_opens(modules: Page) -> None:
    """The list is read anew between the look and the click; rows move by one."""
    await modules.evaluate(LIST, ["a", "b", "c"])
    row = await modules.query_selector("tbody tr[data-id=b]")
    assert row is not None
    await modules.evaluate(SHOW, ["new", "a", "b", "c"])
    await row.click()
    assert await modules.evaluate("done") == ["open b"]


async def test_the_cursor_stays_on_its_row_when_others_come_and_go(modules: Page) -> None:
    await modules.evaluate(LIST, ["a", "b", "c"])
    for _ in range(2):
        await modules.evaluate("keys.get('j')()")
    for rows in (["new", "a", "b", "c"], ["c", "new"], ["b", "new", "c"]):
        await modules.evaluate(SHOW, rows)
        assert await modules.evaluate(CURSOR) == "c"
    await modules.evaluate("keys.get('a')()")
    assert await modules.evaluate("done") == ["a c"]
    await modules.evaluate(SHOW, ["b", "new"])
    assert await modules.evaluate(CURSOR) == "new", "gone: the one in its place"
    nodes = "[...document.querySelectorAll('tbody tr')].map(each => each.dataset.id)"
    assert await modules.evaluate(nodes) == ["b", "new"]
