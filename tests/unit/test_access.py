"""Operators come in by their token, and do what their roles allow."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from pydantic import ValidationError

from shared import problems
from shared.access import (
    EVERYWHERE,
    AccessSettings,
    Operator,
    Operators,
    Person,
    Reach,
    require,
    require_somewhere,
)

PEOPLE = {
    "finance-token": ("周会计", {"finance"}),
    "viewer-token": ("duty", {"viewer", "desk"}),
    "admin-token": ("root", {"administrator"}),
    "no-role-token": ("guest", set[str]()),
    "county-token": ("gusu.finance", set[str]()),
}
GRANTS = {
    "county-token": [
        {"organisation": "gusu", "roles": ["finance"]},
        {"organisation": "wujiang", "roles": ["administrator"]},
        {"organisation": "gusu", "roles": ["desk"]},
    ]
}


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def entries() -> list[dict[str, object]]:
    """The operators' file as it is on the disk."""
    return [
        {"person": person, "roles": sorted(roles), "token_sha256": digest(token)}
        | ({"grants": GRANTS[token]} if token in GRANTS else {})
        for token, (person, roles) in PEOPLE.items()
    ]


@pytest.fixture
def operators(tmp_path: Path) -> Operators:
    file = tmp_path / "operators.json"
    file.write_text(json.dumps(entries()), "utf-8")
    return Operators.from_file(file)


@pytest.fixture
async def client(operators: Operators) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.operators = operators
    problems.install(app)

    @app.get("/somewhere")
    async def somewhere(
        person: Annotated[Person, Depends(require_somewhere("finance"))],
    ) -> dict[str, list[str]]:
        return {"at": sorted(person.reach("finance").organisations or ["everywhere"])}

    @app.get("/ledger")
    async def ledger(person: Annotated[Person, Depends(require("finance", "approver"))]) -> dict[str, str]:
        return {"person": person.name}

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        yield client


@pytest.mark.parametrize("header", ["Bearer finance-token", "bearer finance-token", "BEARER finance-token"])
async def test_a_person_with_the_role_is_let_in(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.get("/ledger", headers={"authorization": header})
    assert (answer.status_code, answer.json()) == (200, {"person": "周会计"})


async def test_an_administrator_may_do_what_everybody_may(client: httpx.AsyncClient) -> None:
    assert (await client.get("/ledger", headers={"authorization": "Bearer admin-token"})).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer nobody",
        "Bearer finance-token ",
        "Bearer  finance-token",
        "Bearer finance-token x",
        "Basic finance-token",
        "finance-token",
        f"Bearer {digest('finance-token')}",
        "Bearer \xff\xfe",
    ],
)
async def test_without_a_known_token_the_answer_is_401(client: httpx.AsyncClient, header: str | None) -> None:
    headers = {} if header is None else {b"authorization": header.encode("latin-1")}
    answer = await client.get("/ledger", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:shanliu:problem:not-signed-in")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["viewer-token", "no-role-token"])
async def test_without_the_role_the_answer_is_403_and_names_it(client: httpx.AsyncClient, token: str) -> None:
    answer = await client.get("/ledger", headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:shanliu:problem:role-missing")
    assert "finance, approver" in answer.json()["detail"]


async def test_a_role_at_an_organisation_is_no_role_everywhere(client: httpx.AsyncClient) -> None:
    county = {"authorization": "Bearer county-token"}
    refused = await client.get("/ledger", headers=county)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:shanliu:problem:role-missing")
    assert "gusu, wujiang" in refused.json()["detail"]
    assert (await client.get("/somewhere", headers=county)).json() == {"at": ["gusu", "wujiang"]}
    for token, at in (("finance-token", ["everywhere"]), ("admin-token", ["everywhere"])):
        answer = await client.get("/somewhere", headers={"authorization": f"Bearer {token}"})
        assert answer.json() == {"at": at}
    for token in ("viewer-token", "no-role-token"):
        assert (
            await client.get("/somewhere", headers={"authorization": f"Bearer {token}"})
        ).status_code == 403


def test_grants_of_one_organisation_add_up_and_an_administrator_there_may_all(operators: Operators) -> None:
    person = operators.find("county-token")
    assert person is not None
    assert person.reach("desk") == Reach(frozenset({"gusu", "wujiang"}))
    assert person.reach("approver") == Reach(frozenset({"wujiang"}))
    assert not person.reach("approver").everywhere
    admin = operators.find("admin-token")
    assert admin is not None
    assert admin.reach("approver") == EVERYWHERE


@pytest.mark.parametrize("token", [*PEOPLE, "nobody", ""])
def test_every_entry_is_compared_whoever_asks(
    operators: Operators, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """The time an answer takes must not tell how far the comparison came: no early end, no == on text."""
    compared: list[tuple[str, str]] = []
    real = hmac.compare_digest

    def counting(one: str, other: str) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    operators.find(token)
    assert compared == [(entry["token_sha256"], digest(token)) for entry in entries()]


def test_without_a_file_nobody_is_let_in() -> None:
    assert Operators.from_file(None).find("") is None


@pytest.mark.parametrize(
    "changed",
    [
        {"roles": ["king"]},
        {"token_sha256": "finance-token"},
        {"token_sha256": digest("x").upper()},
        {"person": ""},
        {"person": None},
        {"grants": [{"organisation": "gusu", "roles": ["king"]}]},
        {"grants": [{"organisation": "gusu", "roles": []}]},
        {"grants": [{"organisation": "Gu Su", "roles": ["desk"]}]},
        {"grants": [{"organisation": "gusu", "roles": ["desk"]}] * 101},
        {"grants": None},
    ],
)
def test_a_file_with_a_mistake_is_refused_when_it_is_read(tmp_path: Path, changed: dict[str, object]) -> None:
    file = tmp_path / "operators.json"
    file.write_text(json.dumps([{**entries()[0], **changed}]), "utf-8")
    with pytest.raises(ValidationError):
        Operators.from_file(file)


def test_a_token_is_never_shown() -> None:
    operator = Operator(person="duty", roles=frozenset(), token_sha256=digest("secret"))
    assert "secret" not in repr(operator)


@pytest.mark.parametrize("path", ["/ledger", "/somewhere"])
async def test_a_service_on_the_internet_has_nothing_for_operators_who_come_by_its_proxy(
    client: httpx.AsyncClient, operators: Operators, path: str
) -> None:
    signed = {"authorization": "Bearer finance-token"}
    forwarded = {**signed, "x-forwarded-for": "203.0.113.7"}
    assert (await client.get(path, headers=forwarded)).status_code == 200, "as it is unless said"

    operators.by_proxy = False

    assert (await client.get(path, headers=forwarded)).status_code == 404
    assert (await client.get(path, headers={"x-forwarded-for": ""})).status_code == 404
    assert (await client.get(path, headers=signed)).status_code == 200


def test_whether_operators_come_by_a_proxy_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Operators.of("donation", AccessSettings()).by_proxy
    monkeypatch.setenv("OPERATORS_BY_PROXY", "false")
    assert not Operators.of("donation", AccessSettings()).by_proxy
