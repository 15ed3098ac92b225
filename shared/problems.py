"""Errors over HTTP: RFC 9457 problem details with a stable `type`, in one place for every service."""

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.broker import PublishFailed
from shared.database import is_temporary
from shared.refusals import Refused

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
MAX_ERRORS: Final = 20


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


_WORDS: Final = {
    "missing": "is missing",
    "extra_forbidden": "is not a field that is known here",
    "string_type": "must be text",
    "string_sub_type": "must be text",
    "string_unicode": "is not valid Unicode (an unpaired surrogate?)",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "does not have the form that it must have",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "decimal_type": "must be a decimal number",
    "decimal_parsing": "must be a decimal number",
    "decimal_max_digits": "must have at most {max_digits} digits",
    "decimal_max_places": "must have at most {decimal_places} decimal places",
    "decimal_whole_digits": "must have at most {whole_digits} digits before the point",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dataclass_type": "must be an object",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "literal_error": "must be one of: {expected}",
    "enum": "must be one of: {expected}",
    "union_tag_invalid": "must be one of: {expected_tags}",
    "union_tag_not_found": "does not say which kind it is",
    "none_required": "must be null",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "uuid_version": "must be a UUID of version {expected_version}",
    "date_type": "must be a date such as 2026-12-31",
    "date_parsing": "must be a date such as 2026-12-31",
    "date_from_datetime_parsing": "must be a date such as 2026-12-31",
    "date_from_datetime_inexact": "must be a date such as 2026-12-31",
    "datetime_type": "must be an RFC 3339 time with its offset, such as 2026-12-31T20:00:00+08:00",
    "datetime_parsing": "must be an RFC 3339 time with its offset, such as 2026-12-31T20:00:00+08:00",
    "datetime_from_date_parsing": "must be an RFC 3339 time with its offset, such as"
    " 2026-12-31T20:00:00+08:00",
    "datetime_object_invalid": "must be an RFC 3339 time with its offset, such as 2026-12-31T20:00:00+08:00",
    "timezone_aware": "must have its offset from UTC, such as +08:00",
}
"""What is said of each rule of pydantic that a body here can break; the names are pydantic's own."""
_UNSAID: Final = "is not what it must be"
_OF_AN_OBJECT: Final = re.compile(r"(?P<field>[a-z][a-z_]*): (?P<rule>.+)", re.DOTALL)
_INNER: Final = re.compile(r"[\[\](){}<>]")
"""In a place's name: a part that names a validator or a member of a union, and no field."""


def _message(error: Any) -> str:
    """The rule that was broken, in words of ours; the value sent is in none of them."""
    kind, context = error.get("type", ""), error.get("ctx") or {}
    if kind in ("value_error", "assertion_error"):
        return str(error["msg"]).partition(", ")[2] or _UNSAID
    try:
        return _WORDS.get(kind, _UNSAID).format_map(context)
    except KeyError:
        return _UNSAID


def _place(parts: Sequence[Any]) -> str:
    """The field's name with those around it, as a request has them."""
    named = [str(part) for part in parts if isinstance(part, int) or not _INNER.search(str(part))]
    return ".".join(named or [str(part) for part in parts[:1]]) or "body"


def field_errors(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Pydantic's errors as {"field", "message"}: which field and which rule, never the value sent."""
    return [_field_error(error) for error in errors[:MAX_ERRORS]]


def _field_error(error: Any) -> dict[str, str]:
    """A rule over a whole object says "field: rule": then that field of the object is the one."""
    message = _message(error)
    named = _OF_AN_OBJECT.fullmatch(message) if isinstance(error.get("input"), Mapping) else None
    if named is None:
        return {"field": _place(error["loc"]), "message": message}
    around = [] if tuple(error["loc"]) == ("body",) else error["loc"]
    return {"field": _place([*around, named["field"]]), "message": named["rule"]}


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


async def _on_unavailable(_: Request, error: Exception) -> Response:
    log.warning("unavailable", error=repr(error)[:300])
    detail = "A part this needs does not answer at the moment. Send the same request again."
    return Problem(503, "unavailable", detail, headers={"Retry-After": "2"}).to_response()


async def _on_database(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    if is_temporary(error):
        return await _on_unavailable(request, error)
    raise error


async def _on_kafka(request: Request, error: Exception) -> Response:
    assert isinstance(error, KafkaError)
    if error.retriable:
        return await _on_unavailable(request, error)
    raise error


async def _on_mistake(_: Request, __: Exception) -> Response:
    # The server logs it with its traceback; the caller can only tell us.
    detail = "A mistake of ours, now in our log. The same request may be sent again: nothing is done twice."
    return Problem(500, "internal-error", detail).to_response()


def install(app: FastAPI) -> None:
    """Answer every error of this application with a problem document."""
    app.add_exception_handler(Exception, _on_mistake)
    app.add_exception_handler(DBAPIError, _on_database)
    app.add_exception_handler(KafkaError, _on_kafka)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(Refused, _on_refused)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    for kind in (PoolTimeoutError, PublishFailed, ConnectionError, TimeoutError):
        app.add_exception_handler(kind, _on_unavailable)
