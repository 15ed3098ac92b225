"""Rules of the pages that need no service, in the engine that runs them: money, frames, minutes."""

import json
import random
import re
from typing import Any

import pytest
from playwright.async_api import Page

from shared.money import format_yuan, parse_cn

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LARGEST = 2**63 - 1  # fen: what a total in the database can reach
AMOUNTS_FEN = [
    *(0, 1, 99, 100, 999_999, 1_000_000, 1_000_001, 5_475_000_000, 14_100_000_000, 14_123_456_789),
    *(10_000_000_000, 10_000_000_001, 10_000_456_700, 10**13, 2**53 - 1, 2**53, 2**53 + 1, LARGEST),
    *(random.Random(7).randrange(10 ** random.Random(n).randint(1, 18)) for n in range(200)),
]


async def call(page: Page, module: str, function: str, *values: Any) -> Any:
    """Call a function of a module; BigInt crosses as text, so each value is JavaScript source."""
    code = (
        f"import('/static/{module}.js').then(m => m.{function}({', '.join(map(str, values))}))"
        ".then(r => JSON.parse(JSON.stringify(r, (_, v) => typeof v === 'bigint' ? `${v}n` : v)))"
    )
    return await page.evaluate(code)


async def write_all(page: Page, function: str, extra: str = "") -> list[str]:
    amounts = ", ".join(f"{fen}n" for fen in AMOUNTS_FEN)
    texts: list[str] = await page.evaluate(
        f"import('/static/money.js').then(m => [{amounts}].map(fen => m.{function}(fen{extra})))"
    )
    return texts


async def test_yuan_are_written_as_the_rest_of_the_system_writes_them(modules: Page) -> None:
    assert await write_all(modules, "formatYuan") == [format_yuan(fen) for fen in AMOUNTS_FEN]


@pytest.mark.parametrize("function", ["formatPlain", "formatShort"])
async def test_a_label_says_exactly_the_amount(modules: Page, function: str) -> None:
    texts = await write_all(modules, function, ", 'zh'")
    assert [parse_cn(text) for text in texts] == AMOUNTS_FEN


async def test_the_spoken_form_says_exactly_the_amount(modules: Page) -> None:
    for text, fen in zip(await write_all(modules, "formatSpoken"), AMOUNTS_FEN, strict=True):
        parts = re.findall(r"[\d.]+[亿万]?", text)
        assert sum(map(parse_cn, parts)) == fen, text


@pytest.mark.parametrize(
    ("fen", "text"),
    [
        (0, "0.00"),
        (123_456, "1234.56"),
        (5_475_000_000, "5475万"),
        (5_475_000_001, "5475万0000.01"),
        (10_000_000_000, "1亿"),
        (14_100_000_000, "1亿4100万"),
        (10_000_456_700, "1亿0000万4567.00"),
        (14_123_456_789, "1亿4123万4567.89"),
    ],
)
async def test_the_spoken_form_is_what_a_presenter_reads(modules: Page, fen: int, text: str) -> None:
    assert await call(modules, "money", "formatSpoken", f"{fen}n") == text


@pytest.mark.parametrize(
    ("fen", "english"),
    [(5_475_000_000, "54.75 million"), (14_100_000_000, "141 million"), (551_400_001, "5,514,000.01")],
)
async def test_english_labels_are_exact_too(modules: Page, fen: int, english: str) -> None:
    assert await call(modules, "money", "formatShort", f"{fen}n", "'en'") == english


@pytest.mark.parametrize(
    ("yuan", "language", "column"),
    [
        pytest.param(["5000000", "3000000"], "zh", ["500万", "300万"], id="all round"),
        pytest.param(["5000000", "805000"], "zh", ["500.0万", "80.5万"], id="digits under their like"),
        pytest.param(["141000000", "5475000"], "zh", ["14100.0万", "547.5万"], id="one is less than 亿"),
        pytest.param(["141000000", "200000000"], "zh", ["1.41亿", "2.00亿"], id="all 亿"),
        pytest.param(["5000000", "1234.56"], "zh", ["5,000,000.00", "1,234.56"], id="one is no whole 万"),
        pytest.param(["5000000", "9999"], "zh", ["5,000,000", "9,999"], id="one is less than 万"),
        pytest.param(["5000000", "12500000"], "en", ["5.0 million", "12.5 million"], id="English"),
        pytest.param(["5000000", "80500"], "en", ["5,000,000", "80,500"], id="English, one small"),
        pytest.param([], "zh", [], id="nothing"),
    ],
)
async def test_a_column_has_one_notation(
    modules: Page, yuan: list[str], language: str, column: list[str]
) -> None:
    amounts = f"[{', '.join(f'{parse_cn(each)}n' for each in yuan)}]"
    written = await call(modules, "money", "formatColumn", amounts, json.dumps(language))
    assert written == column


async def test_a_column_says_exactly_its_amounts(modules: Page) -> None:
    for first in range(0, len(AMOUNTS_FEN), 4):
        amounts = AMOUNTS_FEN[first : first + 4]
        source = f"[{', '.join(f'{fen}n' for fen in amounts)}]"
        assert [
            parse_cn(text) for text in await call(modules, "money", "formatColumn", source, "'zh'")
        ] == amounts


@pytest.mark.parametrize("value", ["1.5", "'1e3'", "NaN", "2 ** 53", "null", "'12a'", "undefined"])
async def test_what_is_not_whole_fen_is_refused(modules: Page, value: str) -> None:
    refused = await modules.evaluate(
        f"import('/static/money.js').then(m => {{ try {{ m.parseFen({value}); return false; }}"
        " catch (error) { return error instanceof RangeError; } })"
    )
    assert refused is True


@pytest.mark.parametrize(
    ("fen", "goal", "shown"), [(999_999, 1_000_000, 999), (1_000_000, 1_000_000, 1000), (5, 0, 0), (0, 9, 0)]
)
async def test_a_goal_is_never_full_before_it_is_reached(
    modules: Page, fen: int, goal: int, shown: int
) -> None:
    assert await call(modules, "money", "permille", f"{fen}n", f"{goal}n") == shown


@pytest.mark.parametrize("fen", [2**53 + 1, LARGEST, 10**13, 0, 7])
async def test_amounts_keep_every_fen_on_the_way_from_the_wire(modules: Page, fen: int) -> None:
    wire = {"net_fen": fen, "milestones_fen": [fen, 1], "recent": [{"amount_fen": fen}], "goal_fen": None}
    for text in (json.dumps(wire), json.dumps(wire, separators=(",", ":"))):
        read = await call(modules, "frames", "parseExact", json.dumps(text))
        assert read["net_fen"] == read["recent"][0]["amount_fen"] == f"{fen}n"
        assert read["milestones_fen"] == [f"{fen}n", "1n"]
        assert read["goal_fen"] is None


async def test_a_name_that_looks_like_an_amount_stays_a_name(modules: Page) -> None:
    names = ['"x_fen":12,', '\\"net_fen\\":5', "_fen", '","net_fen":1}', "\\", '{"a_fen": [1, 2]}']
    text = json.dumps({"recent": [{"name": name, "amount_fen": 1} for name in names]})
    read = await call(modules, "frames", "parseExact", json.dumps(text))
    assert [donor["name"] for donor in read["recent"]] == names


def totals(version: int, received: int, reversed_: int = 0, net: int | None = None) -> str:
    net = received - reversed_ if net is None else net
    return f"{{version: {version}, received_fen: {received}n, reversed_fen: {reversed_}n, net_fen: {net}n}}"


@pytest.mark.parametrize(
    ("proved", "frame", "verdict"),
    [
        pytest.param("null", totals(5, 100), "apply", id="the first"),
        pytest.param(totals(5, 100), totals(6, 200), "apply", id="a donation"),
        pytest.param(totals(5, 100), totals(6, 100), "apply", id="somebody else's donation"),
        pytest.param(totals(5, 100), totals(6, 100, 40), "apply", id="a refund"),
        pytest.param(totals(5, 100), totals(6, 120, 40), "apply", id="a donation and a larger refund"),
        pytest.param(totals(5, 100), totals(5, 100), "apply", id="the same again after a reconnect"),
        pytest.param(totals(5, 100), totals(4, 90), "stale", id="a server that is behind"),
        pytest.param(totals(5, 100), totals(4, 190), "stale", id="an older version with more"),
        pytest.param(totals(5, 100), totals(6, 90), "unproved", id="less without a reversal"),
        pytest.param(totals(5, 100, 10), totals(6, 95, 10), "unproved", id="less with the old reversals"),
        pytest.param(totals(5, 100), totals(5, 110), "unproved", id="two numbers for one version"),
        pytest.param(totals(5, 100), totals(6, 200, 10, net=200), "unproved", id="parts that do not add up"),
        pytest.param(
            "null",
            "{version: 1.5, received_fen: 1n, reversed_fen: 0n, net_fen: 1n}",
            "unproved",
            id="no version",
        ),
    ],
)
async def test_only_a_proved_number_may_be_shown(
    modules: Page, proved: str, frame: str, verdict: str
) -> None:
    assert await call(modules, "frames", "judge", proved, frame) == verdict


async def test_a_donation_that_was_given_back_leaves_the_list_and_does_not_come_again(modules: Page) -> None:
    names = await modules.evaluate(
        """import('/static/donors.js').then(({ DonorList }) => {
          const place = document.createElement("ol");
          const list = new DonorList(place, 3, (item) => ({ name: item.name, at: "", amount: "" }));
          const given = [..."甲乙丙"].map((name) => ({ donation_id: name, name }));
          list.take(given, { fill: true });
          list.drop(["乙"]);
          list.take(given, { fill: true });
          list.take([{ donation_id: "丁", name: "丁" }], { fill: true });
          return [...place.querySelectorAll(".donor:not(.vacant)")].map((row) => row.textContent);
        })"""
    )
    assert names == ["丁", "甲", "丙"]


OWN = "campaign_id: 'gala-2026', "
OTHER = "campaign_id: 'drive-2026', "


def on_air(sequence: int, frame: str) -> str:
    """A frame of a registered screen."""
    return frame.replace("{", f"{{air_sequence: {sequence}, {OWN}", 1)


@pytest.mark.parametrize(
    ("proved", "frame", "verdict"),
    [
        pytest.param("null", totals(5, 100).replace("{", "{" + OWN, 1), "apply", id="its own campaign"),
        pytest.param("null", totals(5, 100).replace("{", "{" + OTHER, 1), "foreign", id="another campaign"),
        pytest.param("null", totals(5, 100), "foreign", id="no campaign at all"),
        pytest.param(
            "null",
            totals(5, 100).replace("{", "{air: 'rehearsal', " + OTHER, 1),
            "apply",
            id="another campaign in a rehearsal",
        ),
        pytest.param(
            on_air(1, totals(5, 100)), on_air(2, totals(4, 90)), "apply", id="an operator froze an older one"
        ),
        pytest.param(
            on_air(2, totals(4, 90)),
            on_air(1, totals(5, 100)),
            "stale",
            id="a process that has not heard of it",
        ),
        pytest.param(
            on_air(2, totals(4, 90)), on_air(2, totals(3, 90)), "stale", id="an older one without a decision"
        ),
        pytest.param(
            on_air(1, totals(5, 100)),
            on_air(2, totals(6, 90, net=95)),
            "unproved",
            id="no decision makes parts add up",
        ),
        pytest.param(
            on_air(2, totals(5, 100)),
            totals(6, 120).replace("{", "{" + OWN, 1),
            "apply",
            id="a public frame in between",
        ),
    ],
)
async def test_a_screen_shows_its_own_campaign_and_what_was_decided_last(
    modules: Page, proved: str, frame: str, verdict: str
) -> None:
    assert await call(modules, "frames", "judge", proved, frame, "'gala-2026'") == verdict


@pytest.mark.parametrize(
    ("frame", "ids"),
    [
        pytest.param("{}", [2, 1], id="nothing new"),
        pytest.param("{messages: [{message_id: 9}]}", [9], id="a snapshot"),
        pytest.param("{messages_new: [{message_id: 3}]}", [3, 2, 1], id="new"),
        pytest.param("{messages_gone: [2]}", [1], id="withdrawn"),
        pytest.param("{messages_new: [{message_id: 1}], messages_gone: [2]}", [1], id="approved again"),
    ],
)
async def test_a_screen_keeps_the_messages_that_it_is_told(modules: Page, frame: str, ids: list[int]) -> None:
    before = "[{message_id: 2}, {message_id: 1}]"
    after = await call(modules, "frames", "messagesAfter", before, frame)
    assert [message["message_id"] for message in after] == ids


async def test_minutes_without_a_donation_are_zero(modules: Page) -> None:
    rows = [
        {"minute": "2026-01-18T11:30:00Z", "donations": 2},
        {"minute": "2026-01-18T11:28:00Z", "donations": 5},
        {"minute": "2026-01-18T11:30:00Z", "donations": 1},  # another channel
        {"minute": "2026-01-18T10:00:00Z", "donations": 9},  # too old
        {"minute": "2026-01-18T11:31:00Z", "donations": 9},  # not yet
    ]
    now = "Date.parse('2026-01-18T11:30:59Z')"
    assert await call(modules, "sparkline", "perMinute", json.dumps(rows), now, 4) == [0, 5, 0, 3]
