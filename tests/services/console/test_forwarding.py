"""A call goes to the service as the person who is signed in, and what was done is on the record."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError
from starlette.responses import HTMLResponse, JSONResponse, Response

from services.console import audit
from tests.databases import Databases
from tests.services.console.conftest import Browser, ConsoleUnderTest, consoles

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(autouse=True)
def _echoing(console: ConsoleUnderTest) -> None:
    console.echo.answer = None
    console.echo.seen.clear()


async def test_a_call_arrives_as_it_was_sent_in_the_persons_name(browser: Browser) -> None:
    await browser.sign_in("finance")
    body = {"amount_fen": 9_007_199_254_740_993, "purpose": "给小明的书包"}
    headers = {"Idempotency-Key": "k-1", "If-Match": '"3"', "X-Other": "no", "Cookie-Jar": "no"}
    answer = await browser.send("POST", "/api/campaign/v1/a%2Fb/书?x=1&y=%20z", body, **headers)
    seen = answer.json()
    assert (seen["person"], seen["roles"]) == ("finance", ["finance", "viewer"])
    assert (seen["path"], seen["query"]) == ("/v1/a%2Fb/%E4%B9%A6", "x=1&y=%20z")
    assert json.loads(seen["body"]) == body
    passed = seen["headers"]
    assert (passed["idempotency-key"], passed["if-match"]) == ("k-1", '"3"')
    assert not {"cookie", "x-other", "cookie-jar", "x-shanliu-csrf", "sec-fetch-site"} & passed.keys()


async def test_what_was_done_is_on_the_record_without_what_was_in_it(
    console: ConsoleUnderTest, browser: Browser
) -> None:
    await browser.sign_in("finance")
    body = {"amount_fen": 5, "donor": {"name": "王小明", "phone": "13900000000"}, "王小明": 1}
    await browser.send("POST", "/api/campaign/v1/pledges", body, **{"Idempotency-Key": "k-2"})
    row = await console.newest()
    assert (row["kind"], row["person"], row["status"]) == ("call", "finance", 200)
    assert (row["method"], row["service"], row["path"]) == ("POST", "campaign", "/v1/pledges")
    assert (row["idempotency_key"], row["roles"]) == ("k-2", ["finance", "viewer"])
    assert row["summary"] == "(another), amount_fen, donor.name, donor.phone"
    before = row["sequence"]
    await browser.get("/api/campaign/v1/pledges")
    assert (await console.newest())["sequence"] == before, "looking is not an act"


async def test_a_refusal_is_on_the_record_too(console: ConsoleUnderTest, browser: Browser) -> None:
    await browser.sign_in("viewer")
    console.echo.answer = lambda _: JSONResponse({"type": "urn:shanliu:problem:role-missing"}, 403)
    answer = await browser.send("POST", "/api/campaign/v1/campaigns", {})
    assert (answer.status_code, (await console.newest())["status"]) == (403, 403)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X-Shanliu-CSRF": ""}, "csrf-token-wrong"),
        ({"X-Shanliu-CSRF": "0" * 64}, "csrf-token-wrong"),
        ({"Sec-Fetch-Site": "cross-site"}, "foreign-site"),
        ({"Sec-Fetch-Site": "same-site"}, "foreign-site"),
    ],
    ids=["no token", "another token", "cross-site", "same-site"],
)
async def test_an_unsafe_call_needs_the_page_behind_it(
    console: ConsoleUnderTest, browser: Browser, headers: dict[str, str], code: str
) -> None:
    await browser.sign_in("finance")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await browser.send(method, "/api/campaign/v1/x", {}, **headers)
        assert (answer.status_code, answer.json()["type"]) == (403, f"urn:shanliu:problem:{code}")
    assert console.echo.seen == []


async def test_another_sessions_token_does_not_do(console: ConsoleUnderTest, browser: Browser) -> None:
    await browser.sign_in("finance")
    async with console.browser() as other:
        await other.sign_in("finance")
        answer = await browser.send("POST", "/api/campaign/v1/x", {}, **{"X-Shanliu-CSRF": other.csrf})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/api/campaign/metrics",
        "/api/campaign/openapi.json",
        "/api/campaign/v1/../metrics",
        "/api/campaign/v1/%2e%2e/metrics",
        "/api/campaign/v1/..%2fmetrics",
        "/api/campaign/v1/a\\b",
        "/api/elsewhere/v1/x",
        "/api/127.0.0.1:22/v1/x",
    ],
)
async def test_no_other_address_can_be_reached(
    console: ConsoleUnderTest, browser: Browser, path: str
) -> None:
    await browser.sign_in("administrator")
    answer = await browser.client.get(path)
    assert answer.status_code == 404
    assert console.echo.seen == []


async def test_nobody_calls_without_a_session(console: ConsoleUnderTest, browser: Browser) -> None:
    assert (await browser.get("/api/campaign/v1/x")).status_code == 401
    assert (await browser.send("POST", "/api/campaign/v1/x", {})).status_code == 401
    assert console.echo.seen == []


async def test_an_answer_is_data_and_brings_no_cookie(console: ConsoleUnderTest, browser: Browser) -> None:
    await browser.sign_in("viewer")

    def page(_: object) -> Response:
        answer = HTMLResponse("<script>alert(1)</script>", headers={"Location": "/v1/x", "X-Debug": "yes"})
        answer.set_cookie("shanliu_console", "stolen")
        return answer

    console.echo.answer = page
    answer = await browser.get("/api/campaign/v1/x")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert not {"set-cookie", "x-debug"} & answer.headers.keys()


async def test_a_service_that_is_away_is_named_and_nothing_else_stops(
    console: ConsoleUnderTest, browser: Browser
) -> None:
    await browser.sign_in("finance")
    answer = await browser.send("POST", "/api/donation/v1/x", {})
    assert answer.status_code == 502
    said = answer.json()
    assert (said["type"], said["service"]) == ("urn:shanliu:problem:service-away", "donation")
    assert (await console.newest())["status"] == 502
    health = {
        each["service"]: each["state"]
        for each in (await browser.get("/api/console/health")).json()["services"]
    }
    assert (health["campaign"], health["donation"]) == ("ready", "away")
    assert (await browser.get("/api/campaign/v1/x")).status_code == 200
    assert (await browser.get("/readyz")).status_code == 200


async def test_a_service_that_does_not_know_the_console_signs_nobody_out(
    databases: Databases, tmp_path: Path
) -> None:
    async with consoles(databases, tmp_path) as console, console.browser() as browser:
        console.echo.operators._console = None
        await browser.sign_in("viewer")
        answer = await browser.get("/api/campaign/v1/x")
        assert (answer.status_code, answer.json()["type"]) == (502, "urn:shanliu:problem:console-unknown")


async def test_behind_tls_the_cookie_is_the_hosts_own_and_the_address_the_proxys_word(
    databases: Databases, tmp_path: Path
) -> None:
    async with (
        consoles(databases, tmp_path, secure_cookies=True, proxies=1) as console,
        console.browser("10.0.0.1", "https") as browser,
    ):
        forwarded = {"X-Forwarded-For": "1.2.3.4, 203.0.113.9"}
        answer = await browser.sign_in("viewer", **forwarded)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-shanliu=")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
        assert (await browser.get("/api/console/me")).status_code == 200
        assert (await console.newest())["address"] == "203.0.113.9"


async def test_the_log_shows_what_was_changed_behind_its_back(databases: Databases, tmp_path: Path) -> None:
    async with consoles(databases, tmp_path) as console:
        async with console.browser() as browser:
            await browser.sign_in("administrator")
            await asyncio.gather(
                *(browser.send("POST", "/api/campaign/v1/x", {"a": number}) for number in range(10))
            )
        whole = await audit.check(console.engine)
        assert (whole.rows, whole.head, whole.broken_at) == (11, 11, None)
        for statement in ("UPDATE audit SET person = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
            with pytest.raises(DBAPIError, match="stays on the record"):
                await console.changed(statement)
        await console.changed("ALTER TABLE audit DISABLE TRIGGER audit_append_only")
        for statement, place in (
            ("UPDATE audit SET status = 500 WHERE sequence = 5", 5),
            ("DELETE FROM audit WHERE sequence = 3", 3),
            ("DELETE FROM audit WHERE sequence > 1", 2),
        ):
            await console.changed(statement)
            assert (await audit.check(console.engine)).broken_at == place
