"""Examples that a schema alone can't judge: the code takes what the documents show."""

from typing import Any

import pytest
from pydantic import BaseModel

from services.donation.channels.schemas import NewKey
from services.donation.reconciliation.bill_formats import read_bill
from services.notification.letters.api import PreviewBody, TemplateBody
from tests.contracts.documents import openapi


def shown(service: str, path: str, media_type: str = "application/json") -> Any:
    return openapi(service)["paths"][path]["post"]["requestBody"]["content"][media_type]["example"]


@pytest.mark.parametrize(
    ("model", "path"), [(TemplateBody, "/v1/templates"), (PreviewBody, "/v1/templates/preview")]
)
def test_a_template(model: type[BaseModel], path: str) -> None:
    model.model_validate(shown("notification", path))


def test_a_key_is_a_signing_secret_and_ends_no_other_at_once() -> None:
    key = NewKey.model_validate(shown("donation", "/v1/channels/{channel}/keys"))
    assert (key.purpose, key.key, key.overlap_hours) == ("signing", None, 48)


def test_a_bill() -> None:
    bill = shown("donation", "/v1/reconciliation/bills", "text/csv")
    assert [line.kind for _, line in read_bill(bill.encode(), "plain")] == ["payment", "refund"]
