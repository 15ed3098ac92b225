"""Every error over HTTP is a problem document (RFC 9457) that says what to do next."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import httpx
import pytest
from aiokafka.errors import InvalidConfigurationError, KafkaConnectionError
from fastapi import FastAPI
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from shared import kafka_problems, problems
from shared.broker import PublishFailed
from shared.forms import form
from shared.problems import Problem
from shared.wrong_fields import MAX_ERRORS, field_errors


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    amount_fen: int
    name: str = ""


def database_error(sqlstate: str | None, kind: type[DBAPIError] = DBAPIError) -> DBAPIError:
    """What SQLAlchemy raises for an error that PostgreSQL has answered with."""
    original = Exception("refused")
    original.sqlstate = sqlstate  # type: ignore[attr-defined]
    return kind("SELECT 1", {}, original)


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    problems.install(app)
    kafka_problems.install(app)

    @app.post("/donations")
    async def donations(body: Body) -> Body:
        return body

    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


Failing = Callable[[Exception], Any]


@pytest.fixture
def answer_to(app: FastAPI, client: httpx.AsyncClient) -> Failing:
    """The answer of a route that raises this error."""

    async def ask(error: Exception) -> httpx.Response:
        @app.get("/failing")
        async def failing() -> None:
            raise error

        return await client.get("/failing")

    return ask


def document(answer: httpx.Response) -> dict[str, Any]:
    """The problem document of an answer, whose form is checked here once for all tests."""
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"].startswith("urn:shanliu:problem:")
    assert body["status"] == answer.status_code
    assert body["title"]
    assert body["detail"]
    problems.ProblemDetails.model_validate(body)
    return body


async def test_a_refusal_carries_its_code_its_members_and_its_headers(answer_to: Failing) -> None:
    answer = await answer_to(
        Problem(409, "balance-too-low", "Ask for less.", remaining_fen=5, headers={"Retry-After": "1"})
    )
    assert document(answer) == {
        "type": "urn:shanliu:problem:balance-too-low",
        "title": "Conflict",
        "status": 409,
        "detail": "Ask for less.",
        "remaining_fen": 5,
    }
    assert answer.headers["retry-after"] == "1"


async def test_a_wrong_field_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/donations", json={"amount_fen": "many"})
    body = document(answer)
    assert (answer.status_code, body["type"]) == (422, "urn:shanliu:problem:invalid-field")
    assert [error["field"] for error in body["errors"]] == ["amount_fen"]
    assert body["detail"].startswith("amount_fen: ")
    assert "many" not in answer.text


async def test_many_wrong_fields_are_named_up_to_a_bound(client: httpx.AsyncClient) -> None:
    answer = await client.post("/donations", json={f"x{n}": n for n in range(1000)})
    assert len(document(answer)["errors"]) == MAX_ERRORS


@pytest.mark.parametrize("body", [b"", b"{", b"[1", b"nope", b'{"amount_fen": 1,}'])
async def test_a_body_that_is_not_json_is_400_or_names_the_body(
    client: httpx.AsyncClient, body: bytes
) -> None:
    answer = await client.post("/donations", content=body, headers={"content-type": "application/json"})
    named = document(answer)
    if body:
        assert (answer.status_code, named["type"]) == (400, "urn:shanliu:problem:malformed-json")
    else:
        assert (answer.status_code, named["errors"][0]["field"]) == (422, "body")


async def test_a_field_named_by_an_unpaired_surrogate_can_be_answered(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/donations", content=rb'{"amount_fen": 1, "\ud800": 2}', headers={"content-type": "application/json"}
    )
    assert document(answer)["status"] in {400, 422}


def test_a_document_with_an_unpaired_surrogate_is_valid_json() -> None:
    response = Problem(422, "invalid-field", "\ud800 姓名").to_response()
    assert json.loads(bytes(response.body))["detail"] == "\ud800 姓名"
    assert "姓名".encode() in bytes(response.body)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (HTTPException(404), 404, "not-found"),
        (HTTPException(405), 405, "method-not-allowed"),
        (HTTPException(415, "Send JSON."), 415, "unsupported-media-type"),
        (HTTPException(429, headers={"Retry-After": "3"}), 429, "too-many-requests"),
    ],
)
async def test_the_frameworks_refusals_are_documents_too(
    answer_to: Failing, error: HTTPException, status: int, code: str
) -> None:
    answer = await answer_to(error)
    assert (answer.status_code, document(answer)["type"]) == (status, f"urn:shanliu:problem:{code}")
    assert all(answer.headers[name] == value for name, value in (error.headers or {}).items())


async def test_an_unknown_path_is_a_document(client: httpx.AsyncClient) -> None:
    unknown = document(await client.get("/nothing"))
    assert unknown["type"] == "urn:shanliu:problem:not-found"
    assert "GET /openapi.json" in unknown["detail"]
    assert document(await client.get("/donations"))["type"] == "urn:shanliu:problem:method-not-allowed"


@pytest.mark.parametrize(
    "error",
    [
        database_error(None, OperationalError),
        database_error(None, InterfaceError),
        database_error("08006"),  # the connection broke
        database_error("57P01"),  # the server is stopped
        database_error("57P03"),  # the server starts up
        database_error("53300"),  # too many connections
        database_error("53100"),  # the disk is full
        database_error("55P03"),  # a lock was not had within lock_timeout
        database_error("57014"),  # statement_timeout
        database_error("25P03"),  # idle_in_transaction_session_timeout
        database_error("40P01"),  # deadlock
        database_error("40001"),  # serialisation
        database_error("25006"),  # read-only: a standby that is not promoted yet
        PoolTimeoutError("no connection free"),
        PublishFailed("no broker answers"),
        KafkaConnectionError("no broker answers"),
        ConnectionRefusedError("no database"),
        TimeoutError(),
    ],
    ids=lambda error: getattr(getattr(error, "orig", None), "sqlstate", None) or type(error).__name__,
)
async def test_a_part_that_does_not_answer_is_503_with_a_time_to_come_back(
    answer_to: Failing, error: Exception
) -> None:
    answer = await answer_to(error)
    assert (answer.status_code, document(answer)["type"]) == (503, "urn:shanliu:problem:unavailable")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("the donor is 张三"),
        database_error("23514", IntegrityError),
        database_error("22003"),
        database_error("42P01"),
        InvalidConfigurationError("unknown topic config"),
    ],
    ids=str,
)
async def test_a_mistake_of_ours_is_500_and_tells_nothing_of_the_inside(
    answer_to: Failing, error: Exception
) -> None:
    answer = await answer_to(error)
    assert (answer.status_code, document(answer)["type"]) == (500, "urn:shanliu:problem:internal-error")
    assert "张三" not in answer.text
    assert "SELECT" not in answer.text


def test_a_models_errors_become_fields_without_their_values() -> None:
    with pytest.raises(ValidationError) as refused:
        Body.model_validate({"amount_fen": "13800000000x", "phone": "13800000000"})
    problem = problems.unprocessable(refused.value.errors())
    assert [error["field"] for error in problem.members["errors"]] == ["amount_fen", "phone"]
    assert "13800000000" not in json.dumps(problem.members)


def test_an_error_of_the_whole_body_names_the_body() -> None:
    (error,) = field_errors([SimpleNamespace(loc=(), type="x", msg="x").__dict__])
    assert error == {"field": "body", "message": "is not what it must be"}


class Inner(BaseModel):
    kind: Literal["gift", "loan"]
    on: date
    at: AwareDatetime
    share: Decimal = Field(max_digits=4, decimal_places=2)


class Wide(BaseModel):
    model_config = ConfigDict(extra="forbid")

    amount_fen: Annotated[int, Field(strict=True, ge=1, le=10)]
    name: Annotated[str, StringConstraints(min_length=2, max_length=4, pattern="^[a-z]+$")]
    code: Annotated[str, StringConstraints(pattern=form("^[A-Z]+$", "letters, such as SZCS"))] = "A"
    id: UUID
    line: Annotated[str, AfterValidator(str.strip), Field(min_length=1, max_length=2)] = "a"
    inner: list[Inner] = Field(min_length=1, max_length=2)
    yes: bool = True

    @field_validator("name")
    @classmethod
    def _no_b(cls, name: str) -> str:
        if name == "bbb":
            raise ValueError("must not be of b alone, as told")
        return name


GOOD: dict[str, Any] = {
    "amount_fen": 5,
    "name": "abc",
    "id": "0198c1d2-3e4f-7a5b-8c6d-7e8f9a0b1c2d",
    "inner": [{"kind": "gift", "on": "2027-01-01", "at": "2027-01-01T00:00:00Z", "share": "1.5"}],
}


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"amount_fen": 0}, "amount_fen", "must be at least 1"),
        ({"amount_fen": 11}, "amount_fen", "must be at most 10"),
        ({"amount_fen": "5"}, "amount_fen", "must be a whole number"),
        ({"name": "a"}, "name", "must have at least 2 characters"),
        ({"name": "abcde"}, "name", "must have at most 4 characters"),
        ({"name": "ABC"}, "name", "must match ^[a-z]+$"),
        ({"name": "bbb"}, "name", "must not be of b alone, as told"),
        ({"name": 7}, "name", "must be text"),
        ({"code": "7"}, "code", "must be letters, such as SZCS"),
        ({"id": "7"}, "id", "must be a UUID"),
        ({"inner": []}, "inner", "must not be empty"),
        ({"line": ""}, "line", "must not be empty"),
        ({"line": "abc"}, "line", "must have at most 2 characters"),
        ({"inner": [{}] * 3}, "inner", "must have at most 2 entries"),
        ({"inner": [{}]}, "inner.0.kind", "is missing"),
        ({"inner": {}}, "inner", "must be a list"),
        ({"inner": [7]}, "inner.0", "must be an object"),
        ({"inner": [GOOD["inner"][0] | {"kind": "x"}]}, "inner.0.kind", "must be one of: 'gift' or 'loan'"),
        ({"inner": [GOOD["inner"][0] | {"on": "x"}]}, "inner.0.on", "must be a date such as 2026-12-31"),
        (
            {"inner": [GOOD["inner"][0] | {"at": "2027-01-01T00:00:00"}]},
            "inner.0.at",
            "must have its offset from UTC, such as +08:00",
        ),
        (
            {"inner": [GOOD["inner"][0] | {"share": "1.555"}]},
            "inner.0.share",
            "must have at most 2 decimal places",
        ),
        ({"yes": "x"}, "yes", "must be true or false"),
        ({"more": 1}, "more", "is not a field that is known here"),
    ],
)
def test_what_is_wrong_is_said_in_words_of_ours(wrong: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Wide.model_validate(GOOD | wrong)
    assert field_errors(refused.value.errors())[0] == {"field": field, "message": message}


def test_a_validators_name_is_no_fields_name() -> None:
    class Either(BaseModel):
        value: Annotated[int, AfterValidator(int)] | Annotated[bool, AfterValidator(bool)]

    with pytest.raises(ValidationError) as refused:
        Either.model_validate({"value": "x"})
    assert {error["field"] for error in field_errors(refused.value.errors())} == {"value"}


def test_a_routes_own_answers_are_told_by_status_and_code() -> None:
    told = problems.answers(Problem(409, "taken", "It is taken."), Problem(409, "over", "It is over."))
    examples = told[409]["content"]["application/problem+json"]["examples"]
    assert list(examples) == ["taken", "over"]
    assert examples["over"]["value"]["type"] == "urn:shanliu:problem:over"


@pytest.mark.parametrize(
    ("rule", "field", "message"),
    [
        ("one: goes with two", "inner.one", "goes with two"),
        ("one and two go together", "inner", "one and two go together"),
    ],
)
def test_a_rule_over_an_object_names_its_field(rule: str, field: str, message: str) -> None:
    class Inner(BaseModel):
        one: int

        @model_validator(mode="after")
        def _ruled(self) -> Self:
            raise ValueError(rule)

    class Outer(BaseModel):
        inner: Inner

    with pytest.raises(ValidationError) as refused:
        Outer.model_validate({"inner": {"one": 1}})
    assert field_errors(refused.value.errors()) == [{"field": field, "message": message}]
