"""Errors over HTTP: RFC 9457 problem details with a stable `type`, in one place for every service."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.database import is_temporary
from shared.refusals import Refused
from shared.wrong_fields import field_errors

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"


class FieldError(BaseModel):
    """One field of the request and what is wrong with it, never its value."""

    field: str = Field(description="Where it stands, such as donor.name, or the header's name")
    message: str = Field(description="The rule that it breaks")


class ProblemDetails(BaseModel):
    """The body of every error (RFC 9457), for OpenAPI. Figures that belong to a refusal are further members,
    such as `remaining_fen`.
    """

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        pattern="^urn:shanliu:problem:[a-z0-9-]+$", description="Stable: what a program may decide by"
    )
    title: str = Field(description="The kind of problem, in words")
    status: int = Field(ge=400, le=599, description="The HTTP status")
    detail: str = Field(description="What is wrong here, and what to do next")
    errors: list[FieldError] | None = Field(None, description="Each field that is wrong")


class _ProblemResponse(JSONResponse):
    """Writes an unpaired surrogate (of a field's name that somebody sent) as its JSON escape."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


class Problem(Exception):
    """A refusal. `code` is stable and becomes `urn:shanliu:problem:<code>`; `detail` says what to do next;
    what else is given (e.g. `remaining_fen=…`) becomes a member of the document.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        title: str | None = None,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.title = title or HTTPStatus(status).phrase
        self.detail = detail
        self.headers = headers
        self.members = members

    @property
    def type(self) -> str:
        """The document's `type`."""
        return f"urn:shanliu:problem:{self.code}"

    def document(self) -> dict[str, Any]:
        """The problem document's members."""
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }

    def to_response(self) -> JSONResponse:
        """The problem document with its status and headers."""
        return _ProblemResponse(self.document(), self.status, headers=self.headers)


def answers(*problems: Problem) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: what it answers of its own. What it shares with all the others stands in
    its description by itself (shared/contracts/openapi.py).
    """
    found: dict[int | str, dict[str, Any]] = {}
    for each in problems:
        response = found.setdefault(each.status, {"content": {MEDIA_TYPE: {"examples": {}}}})
        examples = response["content"][MEDIA_TYPE]["examples"]
        examples[each.code] = {"summary": each.title, "value": each.document()}
    return found


def problem_of(refused: Refused) -> Problem:
    """The problem document of a refusal, each field with the reason, as for every other bad input."""
    members: dict[str, Any] = dict(refused.facts)
    if refused.fields:
        members["errors"] = [{"field": field, "message": refused.detail} for field in refused.fields]
    return Problem(refused.status, refused.code, refused.detail, title=refused.title, **members)


def unprocessable(errors: Sequence[Any]) -> Problem:
    """422 for fields that are wrong, naming each."""
    fields = field_errors(errors)
    first = fields[0]
    return Problem(422, "invalid-field", f"{first['field']}: {first['message']}", errors=fields)


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.to_response()


async def _on_refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return problem_of(error).to_response()


_NO_SUCH_ROUTE: Final = {
    404: "There is nothing at this address; GET /openapi.json lists what there is.",
    405: "This address does not take this method; GET /openapi.json lists which it takes.",
}


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    detail = _NO_SUCH_ROUTE.get(error.status_code, error.detail) if error.detail == phrase else error.detail
    code = phrase.lower().replace(" ", "-")
    return Problem(error.status_code, code, detail, headers=dict(error.headers or {})).to_response()


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(each["type"] == "json_invalid" for each in error.errors()):
        return Problem(400, "malformed-json", "The body is not JSON.").to_response()
    return unprocessable(
        [{**each, "loc": each["loc"][1:] or each["loc"]} for each in error.errors()]
    ).to_response()


async def on_unavailable(_: Request, error: Exception) -> Response:
    """The answer to a failure that passes: 503, try again."""
    log.warning("unavailable", error=repr(error)[:300])
    detail = "A part this needs does not answer at the moment. Send the same request again."
    return Problem(503, "unavailable", detail, headers={"Retry-After": "2"}).to_response()


async def _on_database(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    if is_temporary(error):
        return await on_unavailable(request, error)
    raise error


async def _on_mistake(_: Request, __: Exception) -> Response:
    # The server logs it with its traceback; the caller can only tell us.
    detail = "A mistake of ours, now in our log. The same request may be sent again: nothing is done twice."
    response = Problem(500, "internal-error", detail).to_response()
    # uvicorn closes the connection after a mistake: told of it, the caller sends nothing more on it.
    response.headers["connection"] = "close"
    return response


def install(app: FastAPI) -> None:
    """Answer every error of this application with a problem document; the broker's: kafka_problems.py."""
    app.add_exception_handler(Exception, _on_mistake)
    app.add_exception_handler(DBAPIError, _on_database)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(Refused, _on_refused)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    for kind in (PoolTimeoutError, ConnectionError, TimeoutError):
        app.add_exception_handler(kind, on_unavailable)
