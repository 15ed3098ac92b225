"""The notices' routes in the API's OpenAPI document: what comes and is answered is the companies' own."""

from typing import Any, Final

from shared.contracts.openapi import OWN_ANSWERS

_FORM: Final = "application/x-www-form-urlencoded"
_TEXT: Final = "text/plain"
_JSON: Final = "application/json"
_WECHAT_HEADERS: Final = {
    "Wechatpay-Serial": "PUB_KEY_ID_0119000001092026112600382047000001",
    "Wechatpay-Timestamp": "1798805730",
    "Wechatpay-Nonce": "593BEC0C930BF1AFEB40B4A08C8FB242",
    "Wechatpay-Signature": "K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
}
_WECHAT_BODY: Final = {
    "id": "EV-2018022511223320873",
    "create_time": "2027-01-01T20:15:00+08:00",
    "resource_type": "encrypt-resource",
    "event_type": "TRANSACTION.SUCCESS",
    "resource": {
        "original_type": "transaction",
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": "K5oZfzN95Z9UVu1EsfQm",
        "associated_data": "transaction",
        "nonce": "fdasflkja484",
    },
}
_ALIPAY_BODY: Final = {
    "app_id": "2021000000000001",
    "trade_no": "2027010122001",
    "sign_type": "RSA2",
    "sign": "K5o=",
}
_UNIONPAY_BODY: Final = {"merId": "777290058110048", "queryId": "272701012015000000018", "signature": "K5o="}
_FAIL: Final = {"code": "FAIL", "message": "The signature does not fit the body."}
_REFUSALS: Final = {
    "400": "It can't be read",
    "401": "It does not prove that the company sent it, or it is more than five minutes old (WeChat Pay)",
    "404": "No channel of that name takes these notices",
    "408": "The body did not come in time",
    "413": "The body is too large",
    "422": "The company's, and another merchant's or not whole: a person has to look",
    "429": "More than the channel's limit",
    "503": "Paused, or a part this needs does not answer",
}


def document(description: dict[str, Any]) -> None:
    """Add the notices' routes to what the application says of itself."""
    paths = description["paths"]
    paths["/v1/channels/{channel}/wechatpay"] = {"post": _wechatpay()}
    paths["/v1/channels/{channel}/alipay"] = {
        "post": _form("alipay", "Alipay", _ALIPAY_BODY, "success", "fail")
    }
    unionpay = _form("unionpay", "UnionPay", _UNIONPAY_BODY, "ok", "The signature does not fit the fields.")
    paths["/v1/channels/{channel}/unionpay"] = {"post": unionpay}


def _wechatpay() -> dict[str, Any]:
    headers = [_parameter("header", name, example) for name, example in _WECHAT_HEADERS.items()]
    body = {_JSON: {"schema": {"type": "object"}, "example": _WECHAT_BODY}}
    refused = {_JSON: {"schema": {"type": "object", "required": ["code", "message"]}, "example": _FAIL}}
    operation = _operation("wechatpay", "WeChat Pay", body, refused)
    operation["parameters"] += headers
    operation["responses"]["204"] = {"description": "Taken: WeChat Pay does not send it again"}
    return operation


def _form(scheme: str, company: str, example: dict[str, str], taken: str, refused: str) -> dict[str, Any]:
    fields = {"type": "object", "additionalProperties": {"type": "string"}}
    body = {_FORM: {"schema": fields, "example": example}}
    operation = _operation(scheme, company, body, _plain(refused))
    said = f"Taken: {company} does not send it again"
    operation["responses"]["200"] = {"description": said, "content": _plain(taken)}
    return operation


def _operation(scheme: str, company: str, body: dict[str, Any], refused: dict[str, Any]) -> dict[str, Any]:
    return {
        "tags": ["intake"],
        "summary": f"A notice of {company}, signed by it",
        "description": f"What {company} sends of a payment or a refund. It is taken when the broker has it on"
        f" all replicas; after any other answer {company} sends it again. A repeat counts once.",
        "operationId": f"notice_of_{scheme}",
        OWN_ANSWERS: True,
        "parameters": [_parameter("path", "channel", scheme)],
        "requestBody": {"required": True, "content": body},
        "responses": {
            status: {"description": text, "content": refused} for status, text in _REFUSALS.items()
        },
    }


def _parameter(place: str, name: str, example: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"in": place, "name": name, "required": True, "schema": schema, "example": example}


def _plain(text: str) -> dict[str, Any]:
    return {_TEXT: {"schema": {"type": "string"}, "example": text}}
