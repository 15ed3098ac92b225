"""Invoices are kept as they came, with a hash that proves it, and run nothing where they are opened."""

import hashlib
from typing import Any

import pytest
from httpx import Response
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.campaign.spending.invoices import MAX_BYTES
from tests.services.campaign.builders import APPROVER, DESK, FINANCE, VIEWER, a_disbursement, launched
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PDF = b"%PDF-1.7\n%made for a test"
PNG = b"\x89PNG\r\n\x1a\nmade"


async def a_request(service: Service) -> str:
    campaign_id = await launched(service.operator(DESK))
    asked = await service.operator(FINANCE).post(f"/campaigns/{campaign_id}/disbursements", a_disbursement(5))
    return f"/disbursements/{asked.json()['disbursement_id']}"


async def added(
    service: Service, path: str, content: bytes, media_type: str = "application/pdf", said: str = ""
) -> Response:
    finance = service.operator(FINANCE)
    headers = {"Content-Type": media_type, "If-Match": (await finance.get(path)).headers["ETag"]}
    return await finance.send(f"{path}/invoices?name=发票1{said}", content, **headers)


def problem(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:shanliu:problem:")


async def test_a_file_comes_back_byte_for_byte_with_its_hash_and_is_only_saved(service: Service) -> None:
    path = await a_request(service)
    answer = await added(service, path, PDF)
    assert answer.status_code == 201, answer.text
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"2"')
    (listed,) = (await service.operator(VIEWER).get(f"{path}/invoices")).json()["items"]
    assert listed["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert (listed["name"], listed["size_bytes"], listed["also_at"]) == ("发票1", len(PDF), [])
    file = await service.operator(VIEWER).get(f"{path}/invoices/1")
    assert file.content == PDF
    assert file.headers["content-type"] == "application/pdf"
    assert file.headers["content-disposition"].startswith("attachment;")
    assert file.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in file.headers["content-security-policy"]
    assert (await service.operator(VIEWER).get(f"{path}/invoices/2")).status_code == 404


@pytest.mark.parametrize(
    ("content", "media_type", "refused"),
    [
        (b"", "application/pdf", (422, "invoice-empty")),
        (b"<script>alert(1)</script>", "application/pdf", (415, "invoice-type")),
        (PNG, "application/pdf", (415, "invoice-type")),
        (PDF, "text/html", (415, "invoice-type")),
        (PDF + bytes(MAX_BYTES), "application/pdf", (413, "body-too-large")),
    ],
    ids=["empty", "a page", "another type", "said otherwise", "too large"],
)
async def test_what_is_no_invoice_is_refused(
    service: Service, content: bytes, media_type: str, refused: tuple[int, str]
) -> None:
    path = await a_request(service)
    assert problem(await added(service, path, content, media_type)) == refused
    assert (await service.operator(VIEWER).get(f"{path}/invoices")).json()["items"] == []


async def test_the_same_file_is_kept_once_and_shown_where_it_was_sent_in_again(service: Service) -> None:
    one, two = await a_request(service), await a_request(service)
    await added(service, one, PNG, "image/png")
    assert problem(await added(service, one, PNG, "image/png")) == (409, "invoice-twice")
    await added(service, two, PNG, "image/png")
    (listed,) = (await service.operator(APPROVER).get(f"{two}/invoices")).json()["items"]
    assert [f"/disbursements/{each}" for each in listed["also_at"]] == [one]


async def test_an_invoice_says_its_number_and_amount_and_a_number_used_twice_is_seen(
    service: Service,
) -> None:
    one, two = await a_request(service), await a_request(service)
    said = "&invoice_number=24412000000012345678&amount_fen=30001"
    assert (await added(service, one, PDF)).status_code == 201
    for path in (one, two):
        assert (await added(service, path, PDF + path.encode(), said=said)).status_code == 201
    plain, numbered = (await service.operator(VIEWER).get(f"{one}/invoices")).json()["items"]
    assert (plain["invoice_number"], plain["amount_fen"], plain["number_also_at"]) == (None, None, [])
    assert (numbered["invoice_number"], numbered["amount_fen"]) == ("24412000000012345678", 30_001)
    assert [f"/disbursements/{each}" for each in numbered["number_also_at"]] == [two]
    assert (numbered["name"], numbered["also_at"]) == ("发票1", [])
    for wrong in ("&invoice_number=12 34", "&amount_fen=0", "&amount_fen=1.5"):
        assert (await added(service, two, PNG, "image/png", wrong)).status_code == 422, wrong


async def test_an_approver_has_seen_the_files(service: Service) -> None:
    path = await a_request(service)
    seen = (await service.operator(APPROVER).get(path)).headers["ETag"]
    await added(service, path, PDF)
    stale = await service.operator(APPROVER).post(f"{path}/approve", if_match=seen)
    assert problem(stale) == (412, "version-changed")


async def test_twenty_files_at_most_and_the_database_holds_them(service: Service) -> None:
    path = await a_request(service)
    for number in range(20):
        assert (await added(service, path, PDF + bytes([number]))).status_code == 201
    assert problem(await added(service, path, PDF)) == (409, "invoices-full")
    wrong: dict[str, Any] = {
        "content = 'x'": "disbursement_invoices_hash",
        "number = 21": "disbursement_invoices_number",
        "media_type = 'text/html'": "disbursement_invoices_type",
        "invoice_number = '12 34'": "disbursement_invoices_invoice_number",
        "amount_fen = 0": "disbursement_invoices_amount",
    }
    for change, constraint in wrong.items():
        with pytest.raises(IntegrityError, match=constraint):
            async with service.engine.begin() as connection:
                await connection.execute(
                    text(
                        f"UPDATE disbursement_invoices SET {change}"
                        " WHERE number = 20 AND CAST(disbursement_id AS text) = :id"
                    ),
                    {"id": path.rpartition("/")[2]},
                )
