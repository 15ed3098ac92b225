"""Statements by upload: checked, confirmed by a person, imported once, however often they come."""

import asyncio
import csv
import io
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from httpx import Response
from prometheus_client import REGISTRY
from sqlalchemy import text

from services.donation.accepting import Acceptance, Accepted
from services.donation.channels.directory import Directory
from services.donation.channels.sandbox import Sandbox
from services.donation.intake import donation_id_of
from services.donation.statements import commands, importing
from services.donation.statements.commands import Upload
from services.donation.statements.files import Files
from services.donation.statements.importing import Clerk
from shared.broker import INTAKE_PREFIX
from shared.gathering import Gatherer
from shared.problems import MEDIA_TYPE
from shared.secret_box import SecretBox
from tests.services.donation.builders import OCCURRED_AT, as_json, bearer, commanding, new_id
from tests.services.donation.places import Channel, Place, Service
from tests.unit.donation.statements.builders import csv_of, xlsx_by_openpyxl
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

HEADER = ("流水号", "时间", "金额", "付款人", "项目", "附言")
AT = OCCURRED_AT.astimezone().isoformat()
PROFILE: dict[str, Any] = {
    "transaction_id": "流水号",
    "derived_from": ["时间", "金额", "付款人", "项目"],
    "amount": {"column": "金额"},
    "time": {"columns": ["时间"]},
    "campaign": {"column": "项目"},
    "donor": {"name": "付款人"},
    "message": "附言",
}


def a_line(**changes: Any) -> tuple[Any, ...]:
    values = {
        "流水号": new_id(),
        "时间": AT,
        "金额": "100.00",
        "付款人": "王小明",
        "项目": "gala",
        "附言": "",
    }
    return tuple((values | changes).values())


def a_file(lines: Iterable[Sequence[Any]], header: Sequence[str] = HEADER) -> bytes:
    return csv_of(lines, header=header)


async def a_channel(service: Service, **profile: Any) -> Channel:
    """A channel that sends files; its topic is one the worker knows."""
    channel = service.files_channel()
    await sends_files(service.place, channel.name, **profile)
    return channel


async def sends_files(place: Place, name: str, **profile: Any) -> None:
    """Declare how a channel's files are read; one that is new is registered with it."""
    row = {"name": name, "profile": as_json(PROFILE | profile).decode()}
    async with place.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO channels (channel, title, limit_per_second, state, scheme, settings)"
                " VALUES (:name, '测试', 20000, 'active', 'files',"
                " jsonb_build_object('profile', CAST(:profile AS jsonb)))"
                " ON CONFLICT (channel) DO UPDATE SET settings = excluded.settings"
            ),
            row,
        )


async def upload(service: Service, channel: str, content: bytes, **options: Any) -> Response:
    return await service.http.post(
        "/v1/statements",
        params={"channel": channel, "file_name": "账单.csv"},
        content=content,
        headers=options.get("headers") or commanding("finance"),
    )


async def in_state(service: Service, statement_id: int, *states: str) -> dict[str, Any]:
    async def look() -> Any:
        answer = await service.http.get(f"/v1/statements/{statement_id}", headers=bearer("finance"))
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.json()["state"] in states else None

    return dict(await until(look))


async def checked(service: Service, channel: str, content: bytes, state: str = "checked") -> dict[str, Any]:
    answer = await upload(service, channel, content)
    assert answer.status_code == 201, answer.text
    return await in_state(service, answer.json()["statement_id"], state)


async def decide(service: Service, statement_id: int, what: str) -> Response:
    return await service.http.post(f"/v1/statements/{statement_id}/{what}", headers=commanding("finance"))


async def imported(service: Service, channel: str, content: bytes) -> dict[str, Any]:
    statement_id = (await checked(service, channel, content))["statement_id"]
    assert (await decide(service, statement_id, "confirm")).status_code == 200
    return await in_state(service, statement_id, "imported")


async def booked(service: Service, channel: str, count: int) -> list[int]:
    """The amounts of a channel's donations, as soon as there are so many."""

    async def look() -> Any:
        rows = await service.place.rows(
            "SELECT amount_fen FROM donations WHERE channel = :c ORDER BY amount_fen", c=channel
        )
        return [row[0] for row in rows] if len(rows) >= count else None

    return list(await until(look))


# ---------------------------------------------------------------- the way of a file


async def test_a_file_is_checked_confirmed_and_in_the_books(service: Service) -> None:
    channel = await a_channel(service)
    lines = [a_line(金额="100.00"), a_line(金额="0.01"), a_line(金额="many"), a_line(项目="flood")]
    shown = await checked(service, channel.name, a_file(lines))
    preview = shown["preview"]
    assert (preview["lines"], preview["bad"]) == (4, 1)
    assert preview["donations"] == {"count": 3, "amount_fen": 20_001}
    assert preview["campaigns"] == {
        "gala": {"count": 2, "amount_fen": 10_001},
        "flood": {"count": 1, "amount_fen": 10_000},
    }
    assert preview["bad_lines"] == [{"line": 4, "reasons": ["金额: is not an amount"]}]
    assert preview["warnings"] == ["Will be held, nobody knows the campaign: flood, gala."]
    assert "王小明" not in str(shown)
    assert await service.place.batch(channel.topic) == (), "nothing before a person confirms"

    answer = await decide(service, shown["statement_id"], "confirm")
    assert (answer.status_code, answer.json()["state"]) == (200, "importing")
    done = await in_state(service, shown["statement_id"], "imported")
    assert (done["outcome"]["sent"], done["done_line"], done["decided_by"]) == (3, 5, "finance")
    assert await booked(service, channel.name, 3) == [1, 10_000, 10_000]
    view = await service.status(donation_id_of(channel.name, lines[0][0]), "held")
    assert view["held_reason"] == "unknown_campaign"


async def test_a_spreadsheet_goes_the_same_way(service: Service) -> None:
    channel = await a_channel(service)
    lines = [("T-xlsx", AT, 1234.56, "王", "gala", None)]
    done = await imported(service, channel.name, xlsx_by_openpyxl(lines, HEADER))
    assert done["outcome"]["sent"] == 1
    assert await booked(service, channel.name, 1) == [123_456]


async def test_the_same_file_is_one_statement(service: Service) -> None:
    channel = await a_channel(service)
    content = a_file([a_line()])
    first = await upload(service, channel.name, content)
    again = await upload(service, channel.name, content)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["statement_id"] == first.json()["statement_id"]
    both = await asyncio.gather(*(upload(service, channel.name, content + b"\r\n") for _ in range(2)))
    assert len({answer.json()["statement_id"] for answer in both}) == 1, [each.text for each in both]


async def test_files_that_overlap_count_each_line_once(service: Service) -> None:
    channel = await a_channel(service)
    first, shared, last = a_line(金额="1"), a_line(金额="2"), a_line(金额="3")
    twin = a_line(流水号="", 金额="4")
    await imported(service, channel.name, a_file([first, shared, twin, twin]))
    assert await booked(service, channel.name, 4) == [100, 200, 400, 400]
    shown = await checked(service, channel.name, a_file([shared, twin, twin, last]))
    assert shown["preview"]["known"] == 3
    assert shown["preview"]["donations"] == {"count": 1, "amount_fen": 300}
    await decide(service, shown["statement_id"], "confirm")
    assert await booked(service, channel.name, 5) == [100, 200, 300, 400, 400]
    assert len(await service.place.batch(channel.topic)) == 5, "what is known is not sent again"


async def test_two_files_with_the_same_line_confirmed_at_once_count_it_once(service: Service) -> None:
    channel = await a_channel(service)
    shared = a_line(金额="7")
    files = [a_file([shared, a_line(金额=str(each))]) for each in (1, 2)]
    ids = [(await checked(service, channel.name, content))["statement_id"] for content in files]
    await asyncio.gather(*(decide(service, each, "confirm") for each in ids))
    for each in ids:
        await in_state(service, each, "imported")
    assert await booked(service, channel.name, 3) == [100, 200, 700]


async def test_another_content_under_a_known_id_is_a_bad_line(service: Service) -> None:
    channel = await a_channel(service)
    line = a_line(流水号="T-1", 金额="5")
    await imported(service, channel.name, a_file([line]))
    await booked(service, channel.name, 1)
    shown = await checked(service, channel.name, a_file([a_line(流水号="T-1", 金额="6")]))
    reasons = shown["preview"]["bad_lines"][0]["reasons"]
    assert reasons == ["its id is in the books with another amount_fen"]


async def test_the_bad_lines_come_back_to_be_mended(service: Service) -> None:
    channel = await a_channel(service)
    dangerous = '=HYPERLINK("http://x","y")'
    lines = [a_line(), a_line(流水号="", 金额="x", 付款人=dangerous), a_line(流水号="", 附言="字" * 201)]
    shown = await checked(service, channel.name, a_file(lines))
    path = f"/v1/statements/{shown['statement_id']}/bad-lines"
    answer = await service.http.get(path, headers=bearer("finance"))
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    header, *rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert set(HEADER) < set(header)
    table = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["原行号"] for row in table] == ["3", "4"]
    assert table[0]["原因"] == "金额: is not an amount"
    assert table[0]["付款人"] == f"'{dangerous}"
    for row in table:
        row |= {"金额": "8.00", "附言": ""}
    mended = a_file([list(row.values()) for row in table], header=header)
    again = await imported(service, channel.name, mended)
    assert again["preview"]["donations"] == {"count": 2, "amount_fen": 1_600}
    assert (await booked(service, channel.name, 2)) == [800, 800]
    names = {
        row[0]
        for row in await service.place.rows(
            "SELECT donor_name FROM donations WHERE channel = :c", c=channel.name
        )
    }
    assert names == {dangerous, "王小明"}


async def test_a_refund_in_a_file_goes_back(service: Service) -> None:
    refunds = {"when": {"column": "金额", "is_negative": True}, "original": "附言", "own_id": "流水号"}
    channel = await a_channel(service, refunds=refunds, message=None)
    campaign_id = await service.place.campaign()
    lines = [
        a_line(流水号="T-9", 金额="50", 项目=campaign_id),
        a_line(流水号="R-9", 金额="-50", 项目=campaign_id, 附言="T-9"),
    ]
    shown = await imported(service, channel.name, a_file(lines))
    assert shown["preview"]["reversals"] == {"count": 1, "amount_fen": 5_000}
    assert (await service.status(donation_id_of(channel.name, "T-9"), "reversed"))["reversed_fen"] == 5_000


async def test_a_total_that_is_another_is_a_warning(service: Service) -> None:
    channel = await a_channel(service, totals={"begins": "合计", "amount": "金额"})
    shown = await checked(service, channel.name, a_file([a_line(), ("合计", "", "100.01", "", "", "")]))
    assert (
        "The line of totals says 10001 under 金额, the donations make 10000." in shown["preview"]["warnings"]
    )
    shown = await checked(service, channel.name, a_file([a_line()]))
    assert "The line of totals is missing: is the file whole?" in shown["preview"]["warnings"]


async def test_a_channel_gives_to_its_campaigns_only(service: Service) -> None:
    channel = await a_channel(service)
    async with service.place.engine.begin() as connection:
        await connection.execute(
            text("UPDATE channels SET campaigns = '{flood}' WHERE channel = :c"), {"c": channel.name}
        )

    async def refused() -> Any:
        shown = await checked(service, channel.name, a_file([a_line()]))
        return shown["preview"]["bad_lines"]

    (bad,) = await until(refused)
    assert bad["reasons"] == ["the channel may not give to this campaign"]


# ---------------------------------------------------------------- states


async def test_a_file_that_is_none_is_refused_and_may_be_discarded(service: Service) -> None:
    channel = await a_channel(service)
    shown = await checked(service, channel.name, b"PK\x03\x04 no workbook", state="refused")
    assert shown["reason"].startswith("The file is not a workbook")
    assert (await decide(service, shown["statement_id"], "confirm")).status_code == 409
    assert (await decide(service, shown["statement_id"], "discard")).json()["state"] == "discarded"


async def test_what_is_discarded_is_gone_and_may_come_anew(service: Service) -> None:
    channel = await a_channel(service)
    content = a_file([a_line(), a_line(金额="x")])
    shown = await checked(service, channel.name, content)
    assert (await decide(service, shown["statement_id"], "discard")).status_code == 200
    left = "SELECT count(*) FROM statement_files WHERE statement_id = :s"
    assert await service.place.value(left, s=shown["statement_id"]) == 0
    answer = await service.http.get(
        f"/v1/statements/{shown['statement_id']}/bad-lines", headers=bearer("finance")
    )
    assert answer.status_code == 404
    for what in ("confirm", "discard"):
        answer = await decide(service, shown["statement_id"], what)
        assert answer.json()["type"] == "urn:shanliu:problem:statement-state"
    assert (await upload(service, channel.name, content)).status_code == 201


async def test_a_decision_that_is_sent_twice_is_one(service: Service) -> None:
    channel = await a_channel(service)
    shown = await checked(service, channel.name, a_file([a_line()]))
    path, headers = f"/v1/statements/{shown['statement_id']}/confirm", commanding("finance")
    answers = [await service.http.post(path, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (await service.http.post(path, headers=commanding("finance"))).status_code == 409


async def test_files_are_encrypted_and_deleted_after_their_days(service: Service) -> None:
    channel = await a_channel(service, keep_days=1)
    shown = await checked(service, channel.name, a_file([a_line(付款人="欧阳某某")]))
    rows = (
        "SELECT sealed, delete_after - uploaded_at FROM statement_files"
        " JOIN statements USING (statement_id) WHERE statement_id = :s"
    )
    ((sealed, kept),) = await service.place.rows(rows, s=shown["statement_id"])
    assert "欧阳某某".encode() not in sealed
    assert kept == timedelta(days=1)
    async with service.place.engine.begin() as connection:
        await connection.execute(
            text("UPDATE statement_files SET delete_after = now() WHERE statement_id = :s"),
            {"s": shown["statement_id"]},
        )
    gone = await in_state(service, shown["statement_id"], "discarded")
    assert gone["decided_by"] == "time"
    assert await service.place.rows(rows, s=shown["statement_id"]) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/statements?channel=a&file_name=a"),
        ("GET", "/v1/statements"),
        ("GET", "/v1/statements/1"),
        ("GET", "/v1/statements/1/bad-lines"),
        ("POST", "/v1/statements/1/confirm"),
        ("POST", "/v1/statements/1/discard"),
    ],
)
async def test_only_finance_and_administrators_see_statements(
    service: Service, method: str, path: str
) -> None:
    assert (await service.http.request(method, path)).status_code == 401
    for person in ("viewer", "desk"):
        answer = await service.http.request(method, path, headers=commanding(person))
        assert answer.status_code == 403, person
    if method == "POST":
        answer = await service.http.request(method, path, headers=bearer("admin"))
        assert answer.json()["type"] == "urn:shanliu:problem:idempotency-key-missing"


async def test_a_file_for_no_such_channel_is_refused(service: Service, one_channel: Channel) -> None:
    answer = await upload(service, "nobody", a_file([a_line()]))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "channel")
    answer = await upload(service, one_channel.name, a_file([a_line()]))
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:shanliu:problem:not-a-files-channel")


async def test_statements_are_listed_by_channel_and_state(service: Service) -> None:
    channel = await a_channel(service)
    ids = [(await checked(service, channel.name, a_file([a_line()])))["statement_id"] for _ in range(3)]
    query: dict[str, Any] = {"channel": channel.name, "state": "checked", "limit": 2}
    first = (await service.http.get("/v1/statements", params=query, headers=bearer("finance"))).json()
    assert [each["statement_id"] for each in first["items"]] == ids[:0:-1]
    query["before"] = first["next"]
    rest = (await service.http.get("/v1/statements", params=query, headers=bearer("finance"))).json()
    assert [each["statement_id"] for each in rest["items"]] == ids[:1]
    assert rest["next"] is None


async def test_whatever_is_uploaded_is_never_a_mistake_of_ours(service: Service) -> None:
    channel = await a_channel(service)
    workbook = xlsx_by_openpyxl([a_line()], HEADER)
    line = a_file([a_line()])
    files = [
        b"",
        b"\x00",
        b"\xff\xfe\x00",
        workbook[:-50],
        workbook[:200] + workbook[300:],
        line[:-3] + b"\xff",
    ]
    files += [
        b"<Document/>",
        b"<" * 1000,
        line.replace(b",", b";"),
        secrets.token_bytes(5_000),
        b"[" * 50_000,
    ]
    files += [line + secrets.token_bytes(20) for _ in range(10)]
    for content in files:
        answer = await upload(service, channel.name, content)
        assert answer.status_code in {200, 201}, answer.text
        shown = await in_state(service, answer.json()["statement_id"], "checked", "refused")
        assert shown["state"] == "checked" or shown["reason"]
        assert not str(shown["reason"]).startswith("A mistake"), content[:40]


async def test_a_file_too_large_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.donation.statements.api.MAX_BYTES", 1_000)
    answer = await upload(service, "nobody", b"x" * 1_001)
    assert (answer.status_code, answer.headers["content-type"]) == (413, MEDIA_TYPE)


# ---------------------------------------------------------------- killed


class Killed(BaseException):
    """The process ends here."""


class Mortal(Acceptance):
    """Takes so many messages, and then its process is killed."""

    def __init__(self, gatherer: Gatherer, sandbox: Sandbox, takes: int) -> None:
        super().__init__(gatherer, sandbox, 5_000)
        self._left = takes

    async def take(self, *given: Any, **named: Any) -> Accepted:
        self._left -= 1
        if self._left < 0:
            raise Killed
        return await super().take(*given, **named)


@asynccontextmanager
async def clerks(place: Place) -> AsyncIterator[Any]:
    """Makes clerks that die after so many messages, each as in a process of its own."""
    box = SecretBox(place.settings.channel_key.get_secret_value())
    async with Gatherer(place.publisher, place.settings.partitions, 0) as gatherer:
        directory = Directory(place.engine, box)
        await directory.refresh()

        def clerk(takes: int = 10**9) -> Clerk:
            mortal = Mortal(gatherer, Sandbox(place.engine), takes)
            return Clerk(place.engine, Files(place.engine, box), directory, mortal)

        yield clerk


async def a_statement(place: Place, channel: str, content: bytes) -> int:
    box = SecretBox(place.settings.channel_key.get_secret_value())
    async with place.engine.begin() as connection:
        sent = Upload(channel, "账单.csv", content, secrets.token_bytes(32))
        statement_id, _ = await commands.upload(connection, Files(place.engine, box), "finance", sent)
    return statement_id


async def released(place: Place, statement_id: int) -> None:
    """The claim of a process that is gone has run out."""
    async with place.engine.begin() as connection:
        await connection.execute(
            text("UPDATE statements SET claimed_until = now() - interval '1 s' WHERE statement_id = :s"),
            {"s": statement_id},
        )


async def test_an_import_that_is_killed_goes_on_where_it_was(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 10)
    topic = await place.channel()
    name = topic.removeprefix(INTAKE_PREFIX)
    await sends_files(place, name)
    twins = [a_line(流水号="", 金额="3") for _ in range(20)]
    lines = [*(a_line(金额="1") for _ in range(35)), *twins, a_line(金额="x")]
    statement_id = await a_statement(place, name, a_file(lines))
    async with clerks(place) as clerk:
        assert await clerk().work()
        async with place.engine.begin() as connection:
            await commands.confirm(connection, "finance", statement_id)
        for takes in (0, 7, 13, 25):
            with pytest.raises(Killed):
                await clerk(takes).work()
            assert not await clerk().work(), "its claim still holds"
            await released(place, statement_id)
        assert (
            await place.value("SELECT done_line FROM statements WHERE statement_id = :s", s=statement_id) > 1
        )
        assert await clerk().work()
    state, attempts = (
        await place.rows("SELECT state, attempts FROM statements WHERE statement_id = :s", s=statement_id)
    )[0]
    assert (state, attempts) == ("imported", 0)
    assert len(await place.batch(topic)) > 55, "some went out twice"
    await place.work(topic)
    counted = "SELECT count(*), sum(amount_fen) FROM donations WHERE channel = :c"
    assert await place.rows(counted, c=name) == [(55, 35 * 100 + 20 * 300)]
    assert await place.value("SELECT count(*) FROM conflicts WHERE source LIKE :t", t=f"{topic}/%") == 0


async def test_one_that_wakes_up_late_stops(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 10)
    topic = await place.channel()
    name = topic.removeprefix(INTAKE_PREFIX)
    await sends_files(place, name)
    statement_id = await a_statement(place, name, a_file([a_line() for _ in range(30)]))
    async with clerks(place) as clerk:
        await clerk().work()
        async with place.engine.begin() as connection:
            await commands.confirm(connection, "finance", statement_id)
        late = clerk()
        send = late._send

        async def overtaken(*given: Any) -> None:
            await send(*given)
            late._send = send
            await released(place, statement_id)
            assert await clerk().work()

        late._send = overtaken
        assert await late.work()
    await place.work(topic)
    assert await place.value("SELECT count(*) FROM donations WHERE channel = :c", c=name) == 30
    assert (
        await place.value("SELECT state FROM statements WHERE statement_id = :s", s=statement_id)
        == "imported"
    )
    assert len(await place.batch(topic)) == 40, "what the late one sent after its claim was gone"


async def test_a_file_that_kills_its_process_each_time_is_refused(place: Place) -> None:
    name = (await place.channel()).removeprefix(INTAKE_PREFIX)
    await sends_files(place, name)
    statement_id = await a_statement(place, name, a_file([a_line()]))
    async with place.engine.begin() as connection:
        await connection.execute(
            text("UPDATE statements SET attempts = 5 WHERE statement_id = :s"), {"s": statement_id}
        )
    async with clerks(place) as clerk:
        await clerk().work()
    rows = await place.rows("SELECT state, reason FROM statements WHERE statement_id = :s", s=statement_id)
    assert rows == [("refused", "Not done in 5 attempts.")]


async def test_an_import_waits_while_its_channel_is_paused(place: Place) -> None:
    topic = await place.channel()
    name = topic.removeprefix(INTAKE_PREFIX)
    await sends_files(place, name)
    statement_id = await a_statement(place, name, a_file([a_line()]))
    async with clerks(place) as clerk:
        await clerk().work()
        async with place.engine.begin() as connection:
            await commands.confirm(connection, "finance", statement_id)
            await connection.execute(
                text("UPDATE channels SET state = 'paused' WHERE channel = :c"), {"c": name}
            )
    async with clerks(place) as clerk:
        assert await clerk().work()
        assert await place.batch(topic) == ()
        assert not await clerk().work(), "not at once again"
    async with place.engine.begin() as connection:
        await connection.execute(text("UPDATE channels SET state = 'active' WHERE channel = :c"), {"c": name})
    await released(place, statement_id)
    async with clerks(place) as clerk:
        assert await clerk().work()
    assert len(await place.batch(topic)) == 1


async def test_a_file_whose_lines_are_all_bad_is_not_confirmed(service: Service) -> None:
    channel = await a_channel(service)
    shown = await checked(service, channel.name, a_file([a_line(金额="many"), a_line(金额="more")]))
    answer = await decide(service, shown["statement_id"], "confirm")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:shanliu:problem:nothing-to-import")
    assert (answer.json()["bad"], answer.json()["bad_lines"][0]["line"]) == (2, 2)
    assert (await decide(service, shown["statement_id"], "discard")).status_code == 200


async def test_a_browser_s_form_is_the_same_statement_as_the_file_itself(service: Service) -> None:
    channel, content = await a_channel(service), a_file([a_line()])

    async def submit(content: bytes = content, **fields: str) -> Response:
        return await service.http.post(
            "/v1/statements",
            data=fields,
            files={"file": ("一月.csv", content, "text/csv")},
            headers=commanding("finance"),
        )

    answer = await submit(channel=channel.name)
    assert (answer.status_code, answer.json()["file_name"]) == (201, "一月.csv"), answer.text
    assert answer.json()["size_bytes"] == len(content)
    again = await upload(service, channel.name, content)
    assert (again.status_code, again.json()["statement_id"]) == (200, answer.json()["statement_id"])
    nobody = await submit()
    assert (nobody.status_code, nobody.json()["errors"][0]["field"]) == (422, "channel")
    wrong = await submit(channel=channel.name, file_name="\u0000")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "file_name")
    crowded = await submit(channel=channel.name, file_name="x", more="y")
    assert (crowded.status_code, crowded.json()["type"]) == (400, "urn:shanliu:problem:malformed-form")


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x"])
async def test_a_form_that_is_none_is_refused(service: Service, content_type: str) -> None:
    headers = commanding("finance") | {"content-type": content_type}
    answer = await service.http.post("/v1/statements", content=b"--y\r\n", headers=headers)
    assert answer.status_code in {400, 422}, answer.text


async def test_a_form_is_no_larger_than_its_file_may_be(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.donation.statements.forms.MAX_BYTES", 100)
    channel = await a_channel(service)
    for size in (101, 200_000):
        answer = await service.http.post(
            "/v1/statements",
            data={"channel": channel.name},
            files={"file": ("x.csv", b"x" * size)},
            headers=commanding("finance"),
        )
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:shanliu:problem:too-large")


async def test_the_metrics_say_how_many_files_wait_and_what_their_lines_came_to(service: Service) -> None:
    def lines(outcome: str) -> float:
        return REGISTRY.get_sample_value("shanliu_statement_lines_total", {"outcome": outcome}) or 0

    before = {outcome: lines(outcome) for outcome in ("checked_good", "checked_bad", "sent")}
    channel = await a_channel(service)
    shown = await checked(service, channel.name, a_file([a_line(), a_line(), a_line(金额="many")]))

    async def waits() -> bool:
        files = REGISTRY.get_sample_value("shanliu_statements", {"state": "checked"}) or 0
        oldest = REGISTRY.get_sample_value("shanliu_statements_oldest_unconfirmed_seconds") or 0
        return files >= 1 and oldest > 0

    await until(waits)
    await decide(service, shown["statement_id"], "confirm")
    await in_state(service, shown["statement_id"], "imported")
    risen = {outcome: lines(outcome) - count for outcome, count in before.items()}
    assert risen == {"checked_good": 2, "checked_bad": 1, "sent": 2}
