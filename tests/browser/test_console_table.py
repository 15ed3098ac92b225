"""The console's lists while they change under the hand: what is meant is what was pointed at."""

import pytest
from playwright.async_api import Page

from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LIST = """async rows => {
    const {Table} = await import('/static/table.js');
    document.body.innerHTML = '<div></div><div id="notices"></div>';
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
ROUNDS = """async () => {
    const {Live} = await import('/static/live.js');
    document.body.innerHTML = '<p id="freshness"></p>';
    const [day, shell] = [86_400_000, {say: key => key, alarm() {}, duration: String}];
    window.answers = [];
    window.live = new Live(shell, day, () => new Promise(answer => answers.push(answer)));
}"""
CURSOR = "document.querySelector('tr[data-cursor]')?.dataset.id ?? null"
BUSY = "document.querySelector('[aria-busy]').getAttribute('aria-busy')"
NOTICES = "[...document.querySelectorAll('#notices .notice')].map(each => each.textContent)"


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
    nodes = "[...document.querySelectorAll('tbody tr')].map(each => each.dataset.id)"
    assert await modules.evaluate(nodes) == ["b", "new"]


async def test_a_key_for_a_row_that_has_gone_is_done_to_no_other(modules: Page) -> None:
    """A colleague was quicker, or the row was settled by itself: the hand was already on its way."""
    await modules.evaluate(LIST, ["a", "b", "c"])
    await modules.evaluate(SHOW, ["new", "a", "b", "c"])
    assert await modules.evaluate(CURSOR) == "a", "what was first when it was looked at"
    await modules.evaluate(SHOW, ["new", "b", "c"])
    for key in ("a", "x", "Enter"):
        await modules.evaluate(f"keys.get('{key}')()")
    assert await modules.evaluate("done") == []
    assert await modules.evaluate(CURSOR) is None
    assert await modules.evaluate(NOTICES) == ["rowGone"]
    assert await modules.evaluate("document.querySelector('.actions button').disabled")
    await modules.evaluate("keys.get('j')()")
    assert await modules.evaluate(CURSOR) == "b", "the one in its place"
    await modules.evaluate("keys.get('a')()")
    assert await modules.evaluate("done") == ["a b"]


async def test_a_key_for_what_was_selected_is_not_done_to_the_row_under_the_cursor(modules: Page) -> None:
    await modules.evaluate(LIST, ["a", "b", "c"])
    for key in ("x", "j", "x", "j"):
        await modules.evaluate(f"keys.get('{key}')()")
    await modules.evaluate(SHOW, ["b", "c"])
    await modules.evaluate("keys.get('a')()")
    assert await modules.evaluate("done") == ["a b"], "of those selected the one that is left"
    await modules.evaluate("keys.get('x')()")
    await modules.evaluate("keys.get('j')()")
    await modules.evaluate(SHOW, ["b"])
    await modules.evaluate("keys.get('a')()")
    assert (await modules.evaluate("done"))[1:] == [], "c was selected, not b"


async def test_one_works_down_a_list_and_never_two_rows_with_one_look(modules: Page) -> None:
    """What is done leaves the list and the cursor goes on; a press before that could be read counts not."""
    await modules.evaluate(LIST, ["a", "b", "c"])
    await modules.evaluate(
        """async () => {
            done.push = function (text) {
                window.shown = shown.filter(id => !text.endsWith(id));
                return Array.prototype.push.call(this, text);
            };
            const press = keys.get('a');
            await Promise.all([press(), press()]);
            await press();
        }"""
    )
    assert await modules.evaluate("[...done]") == ["a a"]
    assert await modules.evaluate(CURSOR) == "b"
    pressed = "async () => { await keys.get('a')(); return done.length > 1; }"
    await until(lambda: modules.evaluate(pressed), deadline_s=10)
    assert await modules.evaluate("[...done]") == ["a a", "a b"]


async def test_a_list_says_whether_it_hears_a_key(modules: Page) -> None:
    """Not while the cursor has just gone on; with nothing left for it to go to, a key is heard at once."""
    await modules.evaluate(LIST, ["a", "b"])
    await modules.evaluate(
        """async () => {
            table.options.actions[0].run = ([row]) => {
                done.push(row.id);
                window.shown = shown.filter(id => id !== row.id);
            };
            await keys.get('a')();
        }"""
    )
    assert await modules.evaluate(BUSY) == "true"
    await modules.wait_for_function(f"{BUSY} === 'false'")
    await modules.evaluate("keys.get('a')()")
    assert await modules.evaluate("[...done]") == ["a", "b"]
    assert await modules.evaluate(BUSY) == "false", "there is no row that could be hit by mistake"
    await modules.evaluate(SHOW, ["c"])
    await modules.evaluate("keys.get('a')()")
    assert await modules.evaluate("[...done]") == ["a", "b", "c"]


async def test_the_cursor_goes_to_what_came_when_all_the_rest_was_done(modules: Page) -> None:
    await modules.evaluate(LIST, ["a", "b"])
    await modules.evaluate(
        """async () => {
            table.options.actions[0].run = rows => {
                done.push(...rows.map(row => row.id));
                window.shown = ['new'];
            };
            keys.get('X')();
            await keys.get('a')();
        }"""
    )
    assert await modules.evaluate("[...done]") == ["a", "b"]
    assert await modules.evaluate(CURSOR) == "new"
    assert await modules.evaluate(BUSY) == "true", "nobody has read it yet"


async def test_what_is_done_while_an_action_without_effect_is_ending_is_this_persons_too(
    modules: Page,
) -> None:
    """Nothing came of the first press, and its reading of the list is still under way at the second."""
    await modules.evaluate(LIST, ["a", "b"])
    await modules.evaluate(
        """async () => {
            const gate = () => {
                let open;
                return [new Promise(later => open = later), open];
            };
            const [answered, answer] = gate();
            const [decided, decide] = gate();
            const ask = table.ask.bind(table);
            const action = table.options.actions[0];
            action.run = () => false;
            table.ask = async (...asked) => { await answered; return ask(...asked); };
            const first = keys.get('a')();
            await new Promise(later => setTimeout(later));
            action.run = async () => { await decided; window.shown = ['b']; };
            const second = keys.get('a')();
            answer();
            await first;
            decide();
            await second;
        }"""
    )
    assert await modules.evaluate(CURSOR) == "b"


async def test_a_key_that_is_held_down_acts_once(modules: Page) -> None:
    pressed = await modules.evaluate(
        """async () => {
            const {Keys} = await import('/static/keys.js');
            const found = [];
            const keys = new Keys({say: String});
            keys.on('a', 'approve', () => found.push('a'));
            keys.on('j', 'down', () => found.push('j'), {repeats: true});
            for (const [key, repeat] of [['a', false], ['a', true], ['j', false], ['j', true]])
                document.body.dispatchEvent(new KeyboardEvent('keydown', {key, repeat, bubbles: true}));
            return found;
        }"""
    )
    assert pressed == ["a", "j", "j"]


async def test_what_was_done_while_the_page_asked_is_asked_for_next(modules: Page) -> None:
    """The answer that is on its way may be from before it; the next would come a period later."""
    await modules.evaluate(ROUNDS)
    await modules.evaluate("live.round(); live.round(); answers[0]()")
    await until(lambda: modules.evaluate("answers.length === 2"))
    await modules.evaluate("answers[1]()")
    await until(lambda: modules.evaluate("!live.running"))
    assert await modules.evaluate("answers.length") == 2
    await modules.reload()  # nothing of it runs on
