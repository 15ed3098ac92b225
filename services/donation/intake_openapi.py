"""The intake routes in the API's OpenAPI document: they are not FastAPI's own (see intake_api)."""

from typing import Any, Final

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from services.donation.cloud_events import JSON_EVENT, MAX_ATTRIBUTE, MAX_HEADERS
from services.donation.intake import DonationRequest, ReversalRequest
from shared.problems import MEDIA_TYPE

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
_REFUSALS: Final = {
    "400": "Not JSON",
    "401": "Not signed by this channel, or more than five minutes ago",
    "404": "No such channel",
    "408": "The body did not come in time",
    "409": "The same id came before with other content",
    "413": "The body is too large",
    "415": "Neither application/json nor application/cloudevents+json",
    "422": "A field is wrong; `errors` names each",
    "429": "More than the channel's limit; see Retry-After",
    "503": "Not confirmed, paused or too busy; send the same again after Retry-After",
}


def document(app: FastAPI) -> None:
    """Add the intake routes to what the application says of itself."""
    made = app.openapi

    def with_intake() -> dict[str, Any]:
        description = made()
        if "/v1/channels/{channel}/donations" not in description["paths"]:
            _, models = models_json_schema(
                [(DonationRequest, "validation"), (ReversalRequest, "validation")],
                ref_template="#/components/schemas/{model}",
            )
            description["components"]["schemas"] |= models["$defs"]
            for what, model in (("donation", DonationRequest), ("reversal", ReversalRequest)):
                operation = _operation(what, model.__name__)
                description["paths"][f"/v1/channels/{{channel}}/{what}s"] = {"post": operation}
        return description

    # The way FastAPI documents to extend it.
    app.openapi = with_intake  # type: ignore[method-assign]


def _operation(what: str, model: str) -> dict[str, Any]:
    names = [{"in": "path", "name": "channel", "required": True, "schema": {"type": "string"}}]
    headers = [
        {"in": "header", "name": name, "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in _HEADERS.items()
    ]
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    return {
        "tags": ["intake"],
        "summary": f"Report a {what}, signed as Standard Webhooks says",
        "operationId": f"report_{what}",
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
            **{status: {"description": text, "content": problem} for status, text in _REFUSALS.items()},
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
