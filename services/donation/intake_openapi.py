"""The intake routes in the API's OpenAPI document: they are not FastAPI's own (see intake_api)."""

from typing import Any, Final

from pydantic.json_schema import models_json_schema

from services.donation.batches import MAX_BATCH, MAX_BATCH_BYTES
from services.donation.cloud_events import JSON_EVENT, MAX_ATTRIBUTE, MAX_HEADERS
from services.donation.intake import MAX_BODY_BYTES, DonationRequest, ReversalRequest
from shared.bodies import BODY_S
from shared.problems import Problem, answers

_ABOUT: Final = {
    "donation": "202 when the broker has it on all replicas. The id comes from channel and transaction_id:"
    " a repeat gets the same answer and counts once.",
    "reversal": "Money that went back, wholly or in part: refund, chargeback or void. It may come before the"
    " donation that it belongs to.",
}
_EXAMPLE_HEADERS: Final = {
    "webhook-id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
    "webhook-timestamp": "1798805730",
    "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
}
_HEADERS: Final = {
    "webhook-id": "The message's own id: the same for each time it is sent",
    "webhook-timestamp": "Seconds since 1970-01-01 UTC, at most five minutes off",
    "webhook-signature": "v1,<base64 of HMAC-SHA256(secret, id.timestamp.body)>; several, parted by spaces",
}
_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "donation": {
        "transaction_id": "4200002026112312345",
        "campaign_id": "gala-2027",
        "amount_fen": 12345,
        "currency": "CNY",
        "occurred_at": "2027-01-01T20:15:00+08:00",
        "donor": {"kind": "person", "display": "alias", "name": "王小明", "alias": "爱心人士"},
        "message": "新年快乐",
    },
    "reversal": {
        "reversal_id": "refund-1",
        "transaction_id": "4200002026112312345",
        "kind": "refund",
        "amount_fen": 345,
        "occurred_at": "2027-01-02T09:00:00+08:00",
        "reason": "donor asked",
    },
}
_SIGNATURE: Final = {
    "type": "apiKey",
    "in": "header",
    "name": "webhook-signature",
    "description": "Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 with the channel's secret over"
    " webhook-id, webhook-timestamp and body, joined by full stops.",
}
_REFUSALS: Final = (
    Problem(400, "malformed-json", "The body is not JSON in UTF-8."),
    Problem(400, "duplicate-key", "The body is refused: a key stands twice in one object."),
    Problem(401, "signature-missing", "Send webhook-id, webhook-timestamp and webhook-signature."),
    Problem(404, "unknown-channel", "No such channel. Ask the federation to register it."),
    Problem(408, "too-slow", f"The body did not arrive within {BODY_S} seconds."),
    Problem(
        409,
        "conflict",
        "This transaction_id came before with other content. Nothing was booked for this one.",
        donation_id="0198c1d2-3e4f-7a5b-8c6d-7e8f9a0b1c2d",
    ),
    Problem(
        409,
        "webhook-id-reused",
        "This webhook-id came before with another content; each message needs its own.",
    ),
    Problem(413, "too-large", f"The body has more than {MAX_BODY_BYTES} bytes."),
    Problem(415, "not-json", f"Send Content-Type: application/json, or {JSON_EVENT}."),
    Problem(
        422,
        "invalid-field",
        "amount_fen: is missing",
        errors=[{"field": "amount_fen", "message": "is missing"}],
    ),
    Problem(429, "too-many", "More than this channel's limit; slow down."),
    Problem(503, "not-confirmed", "The broker did not confirm. Send the same transaction_id again."),
    Problem(503, "channel-paused", "This channel is paused; send it later."),
    Problem(503, "busy", "Too many donations wait for the broker."),
)


def document(description: dict[str, Any]) -> None:
    """Add the intake routes to what the application says of itself."""
    _, models = models_json_schema(
        [(DonationRequest, "validation"), (ReversalRequest, "validation")],
        ref_template="#/components/schemas/{model}",
    )
    description["components"]["schemas"] |= models["$defs"]
    description["components"].setdefault("securitySchemes", {})["channel"] = _SIGNATURE
    for what, model in (("donation", DonationRequest), ("reversal", ReversalRequest)):
        operation = _operation(what, model.__name__)
        description["paths"][f"/v1/channels/{{channel}}/{what}s"] = {"post": operation}
    description["paths"]["/v1/channels/{channel}/donations/batch"] = {"post": _batch()}


def _batch() -> dict[str, Any]:
    """Many donations in one request: as one, but for its body and its answer."""
    item = {
        "type": "object",
        "required": ["index", "transaction_id", "status"],
        "properties": {
            "index": {"type": "integer", "minimum": 0},
            "transaction_id": {"type": ["string", "null"]},
            "status": {"enum": ["accepted", "refused", "again"]},
            "donation_id": {"type": "string", "format": "uuid"},
            "problem": {"$ref": "#/components/schemas/ProblemDetails"},
        },
    }
    counts = {key: {"type": "integer", "minimum": 0} for key in ("accepted", "refused", "again")}
    donations = {"type": "array", "minItems": 1, "maxItems": MAX_BATCH}
    one = {
        "index": 0,
        "transaction_id": _EXAMPLES["donation"]["transaction_id"],
        "status": "accepted",
        "donation_id": "0198c1d2-3e4f-7a5b-8c6d-7e8f9a0b1c2d",
    }
    answer = {
        "type": "object",
        "required": [*counts, "items"],
        "properties": {**counts, "items": {"type": "array", "items": item}},
    }
    operation = _operation("donation", DonationRequest.__name__)
    return operation | {
        "summary": f"Report 1 to {MAX_BATCH} donations, signed as a whole",
        "operationId": "report_donations",
        "description": "Each is judged by itself: `accepted` when the broker has it on all replicas,"
        " `refused` with its problem, `again` when the same is to be sent later. One that is refused takes no"
        f" other with it. At most {MAX_BATCH_BYTES} bytes.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["donations"],
                        "additionalProperties": False,
                        "properties": {"donations": {**donations, "items": {"type": "object"}}},
                    },
                    "example": {"donations": [_EXAMPLES["donation"]]},
                }
            },
        },
        "responses": {
            "200": {
                "description": "An item for each donation, in their order",
                "content": {
                    "application/json": {
                        "schema": answer,
                        "example": {"accepted": 1, "refused": 0, "again": 0, "items": [one]},
                    }
                },
            },
            **{key: value for key, value in operation["responses"].items() if key != "202"},
        },
    }


def _operation(what: str, model: str) -> dict[str, Any]:
    names = [
        {
            "in": "path",
            "name": "channel",
            "required": True,
            "description": "The channel's name",
            "schema": {"type": "string"},
        }
    ]
    headers = [
        {
            "in": "header",
            "name": name,
            "required": True,
            "description": text,
            "schema": {"type": "string"},
            "example": _EXAMPLE_HEADERS[name],
        }
        for name, text in _HEADERS.items()
    ]
    return {
        "tags": ["intake"],
        "summary": f"Report a {what}, signed as Standard Webhooks says",
        "operationId": f"report_{what}",
        "security": [{"channel": []}],
        "description": _ABOUT[what],
        "parameters": names + headers,
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": f"#/components/schemas/{model}"},
                    "example": _EXAMPLES[what],
                },
                JSON_EVENT: _event(what, model),
            },
        },
        "responses": {
            "202": {
                "description": "The broker has it; a repeat gets the same answer",
                "content": {"application/json": {"schema": _accepted(f"{what}_id")}},
            },
            **{str(status): answer for status, answer in answers(*_REFUSALS).items()},
        },
    }


def _event(what: str, model: str) -> dict[str, Any]:
    """The same as a CloudEvent 1.0 in structured mode; in binary mode its attributes are ce- headers."""
    name = f"org.shanliu.intake.{what}.v1"
    text = {"type": "string", "minLength": 1, "maxLength": MAX_ATTRIBUTE}
    return {
        "schema": {
            "type": "object",
            "required": ["specversion", "id", "source", "type", "data"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": text,
                "source": {**text, "format": "uri-reference"},
                "type": {"const": name},
                "datacontenttype": {"const": "application/json"},
                "data": {"$ref": f"#/components/schemas/{model}"},
            },
            "maxProperties": MAX_HEADERS,
        },
        "example": {
            "specversion": "1.0",
            "id": "0198c1d2-3e4f-7a5b-8c6d-7e8f9a0b1c2d",
            "source": "/tills/7",
            "type": name,
            "data": _EXAMPLES[what],
        },
    }


def _accepted(id_name: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [id_name, "status"],
        "properties": {id_name: {"type": "string", "format": "uuid"}, "status": {"const": "accepted"}},
    }
