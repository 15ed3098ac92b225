"""The local stack's secrets."""

import base64
import json
import stat
from pathlib import Path

import pytest

from deploy.local.credentials import CITY, COUNTY, PEOPLE, PEOPLE_OF, Credentials
from deploy.local.problems import StackProblem
from shared.access import Operators, Reach


def test_secrets_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = Credentials.load_or_make(path)
    second = Credentials.load_or_make(path)

    assert first == second
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(base64.b64decode(first.channel_key)) == 32
    assert len(set(first.databases.values()) | set(first.operators.values())) == 5 + len(PEOPLE) + len(
        PEOPLE_OF
    )


def test_the_operators_file_lets_the_token_in_and_has_no_token(tmp_path: Path) -> None:
    credentials = Credentials.load_or_make(tmp_path / "secrets.json")
    path = tmp_path / "operators.json"
    path.write_text(credentials.operators_json(), "utf-8")

    person = Operators.from_file(path).find(credentials.operators["approver.wang"])

    assert person is not None
    assert (person.name, "approver" in person.roles) == ("approver.wang", True)
    assert not any(token in path.read_text("utf-8") for token in credentials.operators.values())


def test_who_works_for_a_county_has_no_role_elsewhere(tmp_path: Path) -> None:
    credentials = Credentials.load_or_make(tmp_path / "secrets.json")
    path = tmp_path / "operators.json"
    path.write_text(credentials.operators_json(), "utf-8")
    operators = Operators.from_file(path)
    county = operators.find(credentials.operators["finance.gu"])
    city = operators.find(credentials.operators["finance.shen"])
    assert county is not None
    assert city is not None
    assert county.reach("finance") == Reach(frozenset({COUNTY}))
    assert county.reach("approver") == Reach(frozenset())
    assert city.reach("finance") == Reach(frozenset({CITY}))


def test_who_asks_cannot_approve() -> None:
    everybody = {**PEOPLE, **{name: roles for name, (_, roles) in PEOPLE_OF.items()}}
    assert [
        name for name, roles in everybody.items() if {"desk", "finance"} & {*roles} and "approver" in roles
    ] == []


def test_damaged_secrets_are_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({"databases": 7}), "utf-8")
    with pytest.raises(StackProblem, match="damaged"):
        Credentials.load_or_make(path)
