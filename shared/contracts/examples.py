"""Examples of what goes over the wire, made from its schema: the same each time, in the words of the domain.

An example that a model or a field has of its own comes first; then what its name stands for everywhere here;
then the least that the schema takes. So a new field has an example without anybody writing one, unless its
pattern is one that nothing here fits: then the contract test asks for one (`Field(examples=[…])`).
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Schema: TypeAlias = Mapping[str, Any]
Schemas: TypeAlias = Mapping[str, Schema]

REFERENCE: Final = "#/components/schemas/"
MAX_DEPTH: Final = 12
"""Schemas in each other; a document that is deeper (or goes in a circle) ends with an empty one."""
_UUID: Final = "0198c1d2-3e4f-7a5b-8c6d-7e8f9a0b1c2d"
_DIGEST: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

_WORDS: Final[Mapping[str, Any]] = {
    "account": "中国银行苏州分行 4563",
    "accounts": ["1002"],
    "action": "pause",
    "alias": "爱心人士",
    "allocation": "应急物资",
    "area": "苏州市",
    "assignee": "陈洁",
    "basis": "发票",
    "beneficiaries": "困难家庭",
    "beneficiary": "困难家庭",
    "campaign_id": "gala-2027",
    "campaign_ids": ["gala-2027"],
    "city": "苏州市",
    "channel": "wechat",
    "check_code": "7K2MPX9Q4TRW8HVB",
    "company": "苏州某某有限公司",
    "contact": "0512-65230000",
    "code": "SZCS",
    "count": 1,
    "description": "冬衣",
    "group": "困难老人",
    "currency": "CNY",
    "digest": _DIGEST,
    "display": "alias",
    "donor": "苏州市民",
    "email": "donor@example.org",
    "etag": '"3"',
    "evidence": "捐赠协议第 3 条",
    "filing_number": "53320500MJ5099999A27001",
    "insurer": "某某财产保险股份有限公司",
    "licence": "53320500MJ5099999A",
    "limit_per_second": 200,
    "location": "苏州市物资仓库",
    "market_price_source": "采购合同",
    "media_type": "application/pdf",
    "message": "新年快乐",
    "month": "2027-01",
    "name": "苏州市慈善总会",
    "name_en": "Suzhou Charity Federation",
    "note": "见会议纪要",
    "number": "SZCS-2027-0000123",
    "organisation": "苏州市慈善总会",
    "organisation_id": "suzhou",
    "parent_id": "suzhou",
    "payee": "苏州市立医院",
    "person": "chen",
    "placard": "12",
    "policy_number": "PZ-2027-000123",
    "prefix": "SZCS",
    "purpose": "帮助困难家庭",
    "query_method": "https://charity.example",
    "quantity": "12",
    "reason": "登记有误",
    "received_by": "陈洁",
    "recipient": "苏州市立医院",
    "remainder": "用于同类项目",
    "requested_by": "chen",
    "responsible_person": "陈洁",
    "sequence": 1041,
    "shown_name": "苏州市民",
    "source": "intake.wechat/2",
    "store": "苏州市物资仓库",
    "summary": "支付医疗救助款",
    "text": "支付医疗救助款",
    "timezone": "Asia/Shanghai",
    "title": "新年慈善晚会",
    "title_en": "New Year gala",
    "topic": "intake.wechat",
    "transaction_id": "4200002026112312345",
    "unit": "人次",
    "use": "医疗救助",
    "uses": ["医疗救助"],
    "version": 3,
    "words": "新年快乐",
    "year": 2027,
}
_NOT_YET: Final = re.compile(r"(_at|_by|_on|_reason|_kind|^next|^parent_id|^replaced_by|^corrected_by)$")
"""Where there may be nothing, there is nothing: what is shown has begun, and has not ended."""
_LATER: Final = re.compile(r"(^|_)(end|ends|due|until|expires|to)(_|$)")
_FORMATS: Final[Mapping[str, Any]] = {
    "uuid": _UUID,
    "date": "2027-01-01",
    "date-time": "2027-01-01T12:15:00Z",
    "email": "donor@example.org",
    "binary": "%PDF-1.7 …",
    "uri": "https://charity.example",
}
_BY_PATTERN: Final = (
    "2027-01",
    "SZCS-2027-0000123",
    "SZCS",
    "suzhou",
    "1002",
    "wechat",
    _DIGEST,
    _UUID,
    "0000000000000001041",
    "12",
    "1",
    '"3"',
    "pause",
    "https://charity.example",
    "7K2M-PX9Q-4TRW-8HVB",
    "donor@example.org",
    "123456",
)


def example_of(schema: Schema, schemas: Schemas, name: str = "", *, whole: bool = True) -> Any:
    """A value that the schema takes. `schemas` are the document's components, `name` is the field's name;
    without `whole` an object has the fields that it must have, and no others.
    """
    return _Maker(schemas, whole=whole).made(schema, name, 0)


class _Maker:
    """Makes the example of one schema."""

    def __init__(self, schemas: Schemas, *, whole: bool) -> None:
        self._schemas = schemas
        self._whole = whole

    def made(self, schema: Schema, name: str, depth: int) -> Any:
        """The value of a field."""
        if depth > MAX_DEPTH:
            return None
        if "$ref" in schema:
            return self.made(self._schemas[schema["$ref"].removeprefix(REFERENCE)], name, depth + 1)
        if given := _GIVEN & schema.keys():
            return _given(schema, min(given, key=_ORDER.index))
        if choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
            return self._chosen(choices, name, depth)
        match schema.get("type"):
            case "object":
                found: Any = self._object(schema, depth)
            case "array":
                found = self._array(schema, name, depth)
            case _:
                found = _plain(schema, name)
        return found

    def _chosen(self, choices: list[Schema], name: str, depth: int) -> Any:
        there = [each for each in choices if each.get("type") != "null"]
        if not there or (self._whole and len(there) < len(choices) and _NOT_YET.search(name)):
            return None
        return self.made(there[0], name, depth + 1)

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        must = schema.get("required", ())
        made = {
            name: self.made(each, name, depth + 1)
            for name, each in schema.get("properties", {}).items()
            if self._whole or name in must or "examples" in each
        }
        more = schema.get("additionalProperties")
        if isinstance(more, Mapping) and not made:
            key = "intake.wechat/2" if more.get("type") == "integer" else "name"
            made[key] = self.made(more, key, depth + 1)
        return made

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self.made(each, name, depth + 1) for each in schema["prefixItems"]]
        if "items" not in schema:
            return []
        known = _WORDS.get(name)
        if isinstance(known, list) and _takes(schema["items"], known[0]):
            return known
        one = self.made(schema["items"], _single(name), depth + 1)
        return [one] * max(1, schema.get("minItems", 0))


_ORDER: Final = ("examples", "const", "enum", "example")
_GIVEN: Final = frozenset(_ORDER)


def _given(schema: Schema, how: str) -> Any:
    found = schema[how]
    return found[0] if how in ("examples", "enum") else found


def _single(name: str) -> str:
    return name.removesuffix("s")


def _plain(schema: Schema, name: str) -> Any:
    kind = schema.get("type")
    if kind == "boolean":
        return schema.get("default", True)
    if kind in ("integer", "number"):
        return _number(schema, name)
    if kind == "string":
        return _text(schema, name)
    return None if kind == "null" else _WORDS.get(name, {})


def _number(schema: Schema, name: str) -> int:
    known = _WORDS.get(name)
    if name.endswith("_fen"):
        known = 123_45
    elif name.endswith(("_bp", "_basis_points")):
        known = 8_000
    elif name.endswith("_percent") or name == "milestone_percent":
        known = 50
    elif name.endswith("year"):
        known = 2027
    if isinstance(known, int) and _takes(schema, known):
        return known
    return int(schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1))


def _text(schema: Schema, name: str) -> str:
    if schema.get("format") in _FORMATS:
        found = str(_FORMATS[schema["format"]])
        return found.replace("2027-01-01", "2027-12-31") if _LATER.search(name) else found
    base = name.rpartition("_")[2]
    named = [_WORDS[each] for each in (name, base) if isinstance(_WORDS.get(each), str)]
    if name.endswith("_by"):
        named.append("chen")
    if name.endswith(("_at", "_start", "_end")):
        named.append(_FORMATS["date-time"])
    candidates = [*named, *_BY_PATTERN] if "pattern" in schema else [*named, "苏州市"]
    candidates.append("x" * int(schema.get("minLength", 1)))
    return next((str(each) for each in candidates if _takes(schema, each)), candidates[0])


def _takes(schema: Schema, value: Any) -> bool:
    """Whether a plain value fits its schema's type, pattern and bounds."""
    if isinstance(value, str):
        fits = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        pattern = schema.get("pattern")
        return (
            schema.get("type") == "string" and fits and (not pattern or re.search(pattern, value) is not None)
        )
    fits = schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return schema.get("type") in ("integer", "number") and bool(fits)
