"""People come in by their password, stay for an evening, and go when they or an administrator say so."""

import hashlib

import pytest
from httpx import ASGITransport, AsyncClient

from services.console import passwords, sessions
from services.console.app import create_app
from services.console.sessions import MAX_PER_ACCOUNT
from tests.browser.consoles import PASSWORD
from tests.services.console.conftest import HOST, SAME_SITE, Browser, ConsoleUnderTest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_who_knows_the_password_is_in_until_they_go(
    console: ConsoleUnderTest, browser: Browser
) -> None:
    assert (await browser.get("/audit")).headers["location"] == "/sign-in?next=%2Faudit"
    arrived = await browser.sign_in("administrator", next_="/audit?person=desk")
    assert arrived.headers["location"] == "/audit?person=desk"
    cookie = arrived.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert (await browser.get("/api/console/me")).json()["person"] == "administrator"

    kept = await console.rows("SELECT encode(key_hash, 'hex') FROM sessions")
    assert not any(browser.client.cookies["shanliu_console"] in row[0] for row in kept)

    stolen = dict(browser.client.cookies)
    left = await browser.client.post("/sign-out", data={"csrf": browser.csrf}, headers=SAME_SITE)
    assert left.headers["location"] == "/sign-in"
    browser.client.cookies.update(stolen)
    assert (await browser.get("/api/console/me")).status_code == 401, "the key ends, not only the cookie"


@pytest.mark.parametrize(
    ("person", "password"),
    [
        ("desk", "wrong"),
        ("desk", ""),
        ("nobody-at-all", PASSWORD),
        ("", ""),
        ("desk", "x" * 5_000),
        ("\x00", "a"),
    ],
    ids=["wrong", "empty", "unknown name", "nothing", "very long", "NUL"],
)
async def test_nobody_else_is_let_in_nor_told_why(browser: Browser, person: str, password: str) -> None:
    refused = await browser.sign_in(person, password)
    assert refused.status_code == 401
    assert "用户名或密码不正确" in refused.text
    assert "set-cookie" not in refused.headers


async def test_an_unknown_name_takes_the_same_work(
    console: ConsoleUnderTest, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is not written down: people type their password into the field for the name."""
    compared: list[str] = []
    real = passwords._hasher

    class Counting:
        def verify(self, password_hash: str, password: str) -> bool:
            compared.append(password_hash)
            return real.verify(password_hash, password)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    await browser.sign_in("my-own-password!", "x")
    await browser.sign_in("moderator", "x")
    assert len(compared) == 2
    rows = await console.rows("SELECT person, summary FROM audit WHERE kind = 'sign-in-failed'")
    assert not any("my-own-password!" in f"{row}" for row in rows)


async def test_wrong_passwords_make_one_wait_also_with_the_right_one(console: ConsoleUnderTest) -> None:
    async with console.browser() as browser:
        for _ in range(5):
            assert (await browser.sign_in("county", "wrong")).status_code == 401
        locked = await browser.sign_in("county")
        assert locked.status_code == 429
        assert 0 < int(locked.headers["retry-after"]) <= 15
        assert f"{locked.headers['retry-after']} 秒后再试" in locked.text
        assert (await console.newest())["kind"] == "locked-out"
    async with console.browser() as elsewhere:
        assert (await elsewhere.sign_in("county")).status_code == 429, "wherever they come from"
        await console.changed("UPDATE attempts SET blocked_until = now() - interval '1 second'")
        assert (await elsewhere.sign_in("county")).status_code == 303
    left = await console.rows("SELECT count(*) FROM attempts WHERE failures >= 5")
    assert left == [(1,)], "the address of the first browser keeps its own count"


async def test_an_address_that_tries_many_names_waits_too(console: ConsoleUnderTest) -> None:
    async with console.browser("10.9.9.9") as browser:
        assert (await browser.sign_in("name-0", "x")).status_code == 401
        # As after 19 of them: each takes its time on purpose.
        subject = hashlib.sha256(b"address 10.9.9.9").digest()
        await console.changed(
            "UPDATE attempts SET failures = 19 WHERE subject_hash = :subject", subject=subject
        )
        assert (await browser.sign_in("name-20", "x")).status_code == 401
        assert (await browser.sign_in("viewer")).status_code == 429
    async with console.browser() as elsewhere:
        assert (await elsewhere.sign_in("viewer")).status_code == 303


@pytest.mark.parametrize(
    ("change", "is_in"),
    [
        ("seen_at = now() - interval '119 minutes'", True),
        ("seen_at = now() - interval '121 minutes'", False),
        ("ends_at = now() - interval '1 second'", False),
    ],
    ids=["two hours not yet over", "idle", "twelve hours over"],
)
async def test_a_session_ends_by_itself(console: ConsoleUnderTest, change: str, *, is_in: bool) -> None:
    async with console.browser() as browser:
        await browser.sign_in("approver")
        await console.changed(
            f"UPDATE sessions SET opened_at = opened_at - interval '1 day', {change} WHERE account_id ="
            " (SELECT account_id FROM accounts WHERE person = 'approver')"
        )
        assert (await browser.get("/api/console/me")).status_code == (200 if is_in else 401)


async def test_a_restart_signs_nobody_out(console: ConsoleUnderTest, browser: Browser) -> None:
    await browser.sign_in("finance")
    again = create_app(console.settings)
    async with (
        again.router.lifespan_context(again),
        AsyncClient(transport=ASGITransport(again), base_url=HOST, cookies=browser.client.cookies) as client,
    ):
        assert (await client.get("/api/console/me")).json()["person"] == "finance"


async def test_signing_out_everywhere_ends_every_browser(console: ConsoleUnderTest, browser: Browser) -> None:
    async with console.browser() as other, console.browser() as somebody:
        await browser.sign_in("finance-two")
        await other.sign_in("finance-two")
        await somebody.sign_in("moderator")
        fields = {"csrf": browser.csrf, "everywhere": "yes"}
        await browser.client.post("/sign-out", data=fields, headers=SAME_SITE)
        assert (await other.get("/api/console/me")).status_code == 401
        assert (await somebody.get("/api/console/me")).status_code == 200


async def test_a_person_has_so_many_browsers_and_no_more(console: ConsoleUnderTest) -> None:
    (account_id,) = (await console.rows("SELECT account_id FROM accounts WHERE person = 'nobody'"))[0]
    keys = []
    for _ in range(MAX_PER_ACCOUNT + 1):
        async with console.engine.begin() as connection:
            keys.append(await sessions.open_session(connection, account_id, "password"))
    assert await sessions.find(console.engine, keys[0]) is None
    assert await sessions.find(console.engine, keys[1]) is not None


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}],
    ids=["cross-site", "same-site", "foreign origin"],
)
async def test_a_form_of_another_site_signs_nobody_in(
    console: ConsoleUnderTest, headers: dict[str, str]
) -> None:
    async with console.browser() as browser:
        fields = {"person": "viewer", "password": PASSWORD}
        answer = await browser.client.post("/sign-in", data=fields, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", ""]
)
async def test_a_link_leads_nowhere_else(browser: Browser, to: str) -> None:
    assert (await browser.sign_in("viewer", next_=to)).headers["location"] == "/"


async def test_what_an_administrator_takes_away_is_gone_with_the_next_request(
    console: ConsoleUnderTest, browser: Browser
) -> None:
    async with console.browser() as theirs:
        await browser.sign_in("administrator")
        made = await browser.send(
            "POST", "/api/console/accounts", {"person": "新人", "roles": ["viewer"], "grants": []}
        )
        assert made.status_code == 201, made.text
        assert (await theirs.sign_in("新人", made.json()["password"])).status_code == 303
        rights = {"roles": [], "grants": [{"organisation": "gusu", "roles": ["desk"]}]}
        changed = await browser.send(
            "PUT", "/api/console/accounts/新人/rights", rights, **{"If-Match": '"1"'}
        )
        assert changed.status_code == 200, changed.text
        assert (await theirs.get("/api/console/me")).json()["grants"] == {"gusu": ["desk"]}
        stale = await browser.send("PUT", "/api/console/accounts/新人/rights", rights, **{"If-Match": '"1"'})
        assert stale.status_code == 412
        kept_out = await browser.send("PUT", "/api/console/accounts/新人/disabled", {"disabled": True})
        assert kept_out.status_code == 200
        assert (await theirs.get("/api/console/me")).status_code == 401
        assert (await theirs.sign_in("新人", made.json()["password"])).status_code == 401
    row = await console.newest()
    assert made.json()["password"] not in str(await console.rows("SELECT summary FROM audit"))
    assert row["kind"] == "sign-in-failed"


async def test_nobody_locks_themselves_out(browser: Browser) -> None:
    await browser.sign_in("administrator")
    for path, body in (("rights", {"roles": ["viewer"]}), ("disabled", {"disabled": True})):
        answer = await browser.send("PUT", f"/api/console/accounts/administrator/{path}", body)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:shanliu:problem:own-account")


async def test_people_choose_their_own_password(console: ConsoleUnderTest, browser: Browser) -> None:
    async with console.browser() as admin:
        await admin.sign_in("administrator")
        made = (await admin.send("POST", "/api/console/accounts", {"person": "chooser", "roles": []})).json()
    await browser.sign_in("chooser", made["password"])
    path = "/api/console/me/password"
    wrong = await browser.send("POST", path, {"old": "guess", "new": "long enough for me"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (403, "old")
    short = await browser.send("POST", path, {"old": made["password"], "new": "short"})
    assert (short.status_code, short.json()["errors"][0]["field"]) == (422, "new")
    done = await browser.send("POST", path, {"old": made["password"], "new": "long enough for me"})
    assert done.status_code == 204
    assert (await browser.get("/api/console/me")).status_code == 401
    assert (await browser.sign_in("chooser", "long enough for me")).status_code == 303


async def test_only_an_administrator_of_all_makes_accounts(browser: Browser) -> None:
    await browser.sign_in("finance")
    assert (await browser.get("/api/console/accounts")).status_code == 403
    made = await browser.send("POST", "/api/console/accounts", {"person": "me", "roles": ["administrator"]})
    assert made.status_code == 403
