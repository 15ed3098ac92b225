"""What pydantic finds wrong, in words of ours: which field and which rule, never the value that was sent."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.forms import words_of

MAX_ERRORS: Final = 20

_WORDS: Final = {
    "missing": "is missing",
    "extra_forbidden": "is not a field that is known here",
    "string_type": "must be text",
    "string_sub_type": "must be text",
    "string_unicode": "is not valid Unicode (an unpaired surrogate?)",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
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


def rule_of(error: Any) -> str:
    """The rule that was broken, in words of ours; the value sent is in none of them."""
    kind, context = error.get("type", ""), error.get("ctx") or {}
    if kind in ("value_error", "assertion_error"):
        return str(error["msg"]).partition(", ")[2] or _UNSAID
    if context.get("min_length") == 1:
        return "must not be empty"
    if kind in ("too_short", "too_long") and isinstance(error.get("input"), str):
        kind = f"string_{kind}"
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern"))
        words = words_of(pattern)
        return f"must be {words}" if words else f"must match {pattern}"
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
    message = rule_of(error)
    named = _OF_AN_OBJECT.fullmatch(message) if isinstance(error.get("input"), Mapping) else None
    if named is None:
        return {"field": _place(error["loc"]), "message": message}
    around = [] if tuple(error["loc"]) == ("body",) else error["loc"]
    return {"field": _place([*around, named["field"]]), "message": named["rule"]}
