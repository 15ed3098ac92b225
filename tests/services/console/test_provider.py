"""People come in by the identity provider's word, and by nothing that only looks like it."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import pytest_asyncio
from joserfc.jwk import Key, RSAKey
from pydantic import SecretStr, ValidationError

from services.console.settings import Settings
from tests.databases import Databases
from tests.services.console.conftest import HOST, ConsoleUnderTest, consoles
from tests.services.console.identity import CLIENT_ID, SECRET, IdentityProvider, a_secret

pytestmark = pytest.mark.asyncio(loop_scope="session")

MAPPING = {"finance": ["finance", "viewer"], "gusu-desk": ["gusu:desk"], "admins": ["administrator"]}
FOREIGN = RSAKey.generate_key(2048)


@dataclass
class Scene:
    """A console and its provider."""

    console: ConsoleUnderTest
    provider: IdentityProvider

    async def comes(self, client: httpx.AsyncClient, next_: str = "/audit") -> httpx.Response:
        """A browser follows the way there and back; the answer of the console."""
        away = await client.get("/sign-in/provider", params={"next": next_})
        assert away.status_code == 303, away.text
        async with httpx.AsyncClient() as outside:
            back = await outside.get(away.headers["location"])
        assert back.status_code == 303, back.text
        return await client.get(back.headers["location"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def made(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    provider = IdentityProvider(f"{HOST}/sign-in/provider/return")
    settings: dict[str, Any] = {
        "public_url": HOST,
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": SecretStr(SECRET),
        "oidc_roles": MAPPING,
    }
    async with (
        provider.running(),
        consoles(databases, tmp_path_factory.mktemp("provider"), **settings) as console,
    ):
        yield Scene(console, provider)


@pytest.fixture
def scene(made: Scene) -> Scene:
    made.provider.well()
    return made


async def test_who_the_provider_knows_comes_in_with_the_roles_of_their_groups(scene: Scene) -> None:
    scene.provider.person = {"sub": "u-7", "preferred_username": "赵出纳", "groups": ["finance", "gusu-desk"]}
    async with scene.console.browser() as browser:
        assert "/sign-in/provider?next=" in (await browser.get("/sign-in")).text
        arrived = await scene.comes(browser.client, "/audit?kind=call")
        assert arrived.status_code == 200
        assert 'content="0;url=/audit?kind=call"' in arrived.text, "a step of our own, for the strict cookie"
        assert "samesite=strict" in arrived.headers.get_list("set-cookie")[1].lower()
        me = (await browser.get("/api/console/me")).json()
        assert (me["person"], me["way"], me["roles"]) == ("赵出纳", "provider", ["finance", "viewer"])
        assert me["grants"] == {"gusu": ["desk"]}
        assert (await scene.console.newest())["kind"] == "signed-in"

        scene.provider.person["groups"] = ["admins"]
        await scene.comes(browser.client)
        assert (await browser.get("/api/console/me")).json()["roles"] == ["administrator"]
        scene.provider.person["groups"] = []
        assert (await scene.comes(browser.client)).status_code == 403, (
            "whom the provider takes all roles from"
        )


async def test_the_question_has_all_that_protects_the_answer(scene: Scene) -> None:
    async with scene.console.browser() as browser:
        asked = []
        for _ in range(2):
            away = await browser.client.get("/sign-in/provider")
            asked.append(dict(parse_qsl(urlsplit(away.headers["location"]).query)))
            cookie = away.headers["set-cookie"].lower()
            assert "httponly" in cookie
            assert "samesite=lax" in cookie
    one, other = asked
    assert (one["response_type"], one["code_challenge_method"]) == ("code", "S256")
    for name in ("state", "nonce", "code_challenge"):
        assert len(one[name]) >= 43
        assert one[name] != other[name]


def signs(provider: IdentityProvider, key: Key, algorithm: str) -> None:
    """Have ID tokens signed by this, under the name of the provider's own key."""
    provider.signs_with, provider.algorithm = key, algorithm


NOW_S = int(time.time())
WRONG: dict[str, Callable[[IdentityProvider], object]] = {
    "nonce of another": lambda idp: idp.changes.update(nonce="n" * 43),
    "no nonce": lambda idp: idp.changes.update(nonce=...),
    "other issuer": lambda idp: idp.changes.update(iss="https://elsewhere.example"),
    "other audience": lambda idp: idp.changes.update(aud="another-client"),
    "several audiences without azp": lambda idp: idp.changes.update(aud=[CLIENT_ID, "another-client"]),
    "azp of another": lambda idp: idp.changes.update(azp="another-client"),
    "expired": lambda idp: idp.changes.update(exp=NOW_S - 60, iat=NOW_S - 400),
    "no expiry": lambda idp: idp.changes.update(exp=...),
    "issued in the future": lambda idp: idp.changes.update(iat=NOW_S + 3600, exp=NOW_S + 7200),
    "no subject": lambda idp: idp.changes.update(sub=...),
    "no name": lambda idp: idp.changes.update(preferred_username=...),
    "name with a line break": lambda idp: idp.changes.update(preferred_username="a\nb"),
    "signed by somebody else": lambda idp: signs(idp, FOREIGN, "RS256"),
    "signed with a secret": lambda idp: signs(idp, a_secret(), "HS256"),
    "not signed": lambda idp: signs(idp, a_secret(), "none"),
    "state of another": lambda idp: idp.response.update(state="s" * 43),
    "no state": lambda idp: idp.response.update(state=...),
    "answer of another issuer": lambda idp: idp.response.update(iss="https://elsewhere.example"),
    "answer without issuer": lambda idp: idp.response.update(iss=...),
    "error": lambda idp: idp.response.update(error="access_denied"),
    "no code": lambda idp: idp.response.update(code=...),
    "unknown code": lambda idp: idp.response.update(code="guessed"),
    "no role": lambda idp: idp.person.update(sub="u-2", preferred_username="无角色", groups=["others"]),
    "a name that is somebody else's": lambda idp: idp.person.update(
        sub="u-3", preferred_username="administrator"
    ),
}


@pytest.mark.parametrize("fault", WRONG)
async def test_nothing_that_only_looks_like_it_lets_anybody_in(scene: Scene, fault: str) -> None:
    WRONG[fault](scene.provider)
    async with scene.console.browser() as browser:
        refused = await scene.comes(browser.client)
        assert refused.status_code == 403, refused.text
        assert "shanliu_console" not in browser.client.cookies
        assert (await browser.get("/api/console/me")).status_code == 401
    row = await scene.console.newest()
    assert (row["kind"], row["person"]) == ("sign-in-failed", "(unknown name)")


async def test_an_answer_does_for_the_browser_alone_that_asked_and_once(scene: Scene) -> None:
    async with scene.console.browser() as mine, scene.console.browser() as theirs:
        away = await mine.client.get("/sign-in/provider")
        async with httpx.AsyncClient() as outside:
            back = (await outside.get(away.headers["location"])).headers["location"]
        assert (await theirs.client.get(back)).status_code == 403, "sign-in with another's account"
        await theirs.client.get("/sign-in/provider")
        assert (await theirs.client.get(back)).status_code == 403
        assert (await mine.client.get(back)).status_code == 200
        assert (await mine.client.get(back)).status_code == 403, "a second time"


async def test_a_new_key_of_the_provider_is_fetched_when_it_is_first_seen(scene: Scene) -> None:
    async with scene.console.browser() as browser:
        assert (await scene.comes(browser.client)).status_code == 200
        before = scene.provider.key_requests
        assert (await scene.comes(browser.client)).status_code == 200
        assert scene.provider.key_requests == before, "known keys are not asked for again"
        old = scene.provider.keys[0]
        scene.provider.rotate()
        assert (await scene.comes(browser.client)).status_code == 200
        assert scene.provider.key_requests == before + 1
        scene.provider.signs_with, scene.provider.algorithm = old, "RS256"
        assert (await scene.comes(browser.client)).status_code == 403, "the old key counts no more"


async def test_who_is_disabled_here_does_not_come_in_by_the_provider(scene: Scene) -> None:
    scene.provider.person = {"sub": "u-9", "preferred_username": "离职", "groups": ["finance"]}
    async with scene.console.browser() as browser, scene.console.browser() as admin:
        await scene.comes(browser.client)
        await admin.sign_in("administrator")
        path = "/api/console/accounts/离职"
        assert (await admin.send("PUT", f"{path}/disabled", {"disabled": True})).status_code == 200
        assert (await browser.get("/api/console/me")).status_code == 401
        assert (await scene.comes(browser.client)).status_code == 403
        assert (await admin.send("POST", f"{path}/password")).status_code == 409, "the password is not ours"


async def test_a_provider_that_is_away_or_another_stops_nobody_with_a_password(
    scene: Scene, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = scene.console.settings.model_dump(include={"public_url", "oidc_client_id", "oidc_issuer"})
    away = settings | {"oidc_issuer": "http://127.0.0.1:9/realm"}
    for number, given in enumerate((away, settings)):
        scene.provider.named_issuer = "https://elsewhere.example"
        async with (
            consoles(databases, tmp_path_factory.mktemp(f"away-{number}"), **given) as console,
            console.browser() as browser,
        ):
            assert (await browser.client.get("/sign-in/provider")).status_code == 403
            assert (await browser.sign_in("viewer")).status_code == 303


@pytest.mark.parametrize(
    "changed",
    [
        {"oidc_roles": {"x": ["king"]}},
        {"oidc_roles": {"x": ["gusu:king"]}},
        {"oidc_roles": {"x": ["Gu Su:desk"]}},
        {"oidc_client_id": ""},
        {"public_url": ""},
    ],
    ids=["unknown role", "unknown role at a place", "no organisation", "no client", "no address"],
)
async def test_settings_with_a_mistake_are_refused_at_the_start(
    scene: Scene, changed: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({**scene.console.settings.model_dump(), **changed})
