"""Receipts by HTTP: who may do what, each command once, the paper, and the check that anyone can make."""

import asyncio
import io
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from httpx import Response
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from services.donation.intake import donation_id_of
from services.donation.receipts.check_codes import new_check_code
from services.donation.receipts.checking import CHECKS_OF_ONE_PER_SECOND, Limiter, check
from shared.events import CampaignLaunched
from shared.problems import Problem
from tests.services.donation.builders import a_donation, a_donor, bearer, new_id
from tests.services.donation.places import Service
from tests.services.donation.receipt_books import HANDLER, ReceiptBooks, a_code, receipt_books
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

NUMBER: Final = "NOBODY-2027-0000001"
ROUTES: list[tuple[str, str, set[str]]] = [
    ("POST", "/v1/receipt-organisations", {"admin"}),
    ("GET", "/v1/receipt-organisations", {"admin", "finance", "desk"}),
    ("POST", "/v1/receipts", {"admin", "finance"}),
    ("POST", "/v1/receipts/each", {"admin", "finance"}),
    ("POST", f"/v1/receipts/{NUMBER}/void", {"admin", "finance"}),
    ("POST", f"/v1/receipts/{NUMBER}/reissue", {"admin", "finance"}),
    ("GET", "/v1/receipts", {"admin", "finance", "desk"}),
    ("GET", f"/v1/receipts/{NUMBER}", {"admin", "finance", "desk"}),
    ("GET", f"/v1/receipts/{NUMBER}/pdf", {"admin", "finance", "desk"}),
    ("POST", "/v1/receipt-waivers", {"admin", "finance"}),
    ("POST", "/v1/receipt-waivers/1/withdraw", {"admin", "finance"}),
    ("GET", "/v1/receipt-waivers", {"admin", "finance", "desk"}),
]


@pytest_asyncio.fixture(loop_scope="package")
async def books(service: Service) -> ReceiptBooks:
    return await receipt_books(service.place)


class Finance:
    """A person in finance at the service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def post(self, path: str, body: Any, *, key: str | None = None, **headers: str) -> Response:
        sent = bearer("finance") | {"idempotency-key": key or uuid4().hex}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._service.http.post(f"/v1{path}", json=body, headers=sent)

    async def get(self, path: str, **asked: Any) -> Response:
        return await self._service.http.get(f"/v1{path}", params=asked, headers=bearer("finance"))

    async def issue(self, *ids: UUID, **changes: Any) -> dict[str, Any]:
        body = {"donation_ids": [str(each) for each in ids], "handler": HANDLER} | changes
        answer = await self.post("/receipts", body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


@pytest.fixture
def finance(service: Service) -> Finance:
    return Finance(service)


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
async def test_each_route_asks_for_its_role(
    service: Service, method: str, path: str, allowed: set[str]
) -> None:
    assert (await service.http.request(method, path)).status_code == 401
    for person in ("admin", "finance", "desk", "viewer"):
        answer = await service.http.request(method, path, headers=bearer(person))
        if person in allowed:
            assert answer.status_code in {200, 400, 404, 422}, (person, answer.text)
        else:
            assert answer.status_code == 403, (person, answer.text)


# ---------------------------------------------------------------- from the donation to the paper


async def test_a_donation_that_came_in_gets_its_receipt(service: Service, finance: Finance) -> None:
    code, campaign_id = a_code(), new_id("gala")
    organisation = f"慈善会 {code}"
    launched = service.campaigns.event(
        CampaignLaunched, campaign_id, organisation=organisation, title="新年慈善晚会"
    )
    await service.place.tell(launched)
    registered = await service.http.post(
        "/v1/receipt-organisations",
        json={"organisation": organisation, "code": code},
        headers=bearer("admin") | {"idempotency-key": code},
    )
    assert registered.status_code == 201, registered.text
    channel = await service.channel()
    body = a_donation(campaign_id=campaign_id, donor=a_donor(contact={"email": "wang@example.org"}))
    assert (await channel.give(body)).status_code == 202
    donation_id = donation_id_of(channel.name, body["transaction_id"])
    await service.status(donation_id, "received")

    async def known() -> list[Any]:
        statement = "SELECT title FROM receipt_campaigns WHERE campaign_id = :id"
        return await service.place.rows(statement, id=campaign_id)

    await until(known)
    receipt = await finance.issue(donation_id)
    assert (receipt["donor_name"], receipt["amount_fen"], receipt["purpose"]) == (
        "王小明",
        10_000,
        "新年慈善晚会",
    )
    assert receipt["amount_in_capitals"] == "人民币壹佰元整"
    assert receipt["issued_by"] == "finance"
    reversal = {
        "type": "reversal",
        "reversal_id": new_id("r"),
        "transaction_id": body["transaction_id"],
        "kind": "refund",
        "amount_fen": 1,
        "occurred_at": body["occurred_at"],
    }
    assert (await channel.reverse(reversal)).status_code == 202

    async def overstated() -> list[Any]:
        answer = await finance.get("/receipts", code=code, state="overstated")
        return list(answer.json()["items"])

    (mended,) = await until(overstated)
    assert (mended["number"], mended["overstated_fen"], mended["state"]) == (receipt["number"], 1, "valid")
    checked = await service.http.get(f"/v1/receipts/check/{receipt['number']}?code={receipt['check_code']}")
    assert checked.json()["state"] == "overstated"


async def test_the_paper_is_the_same_bytes_each_time_also_when_it_is_void(
    finance: Finance, books: ReceiptBooks
) -> None:
    receipt = await finance.issue(*await books.donations(2))
    number = receipt["number"]
    papers = await asyncio.gather(*(finance.get(f"/receipts/{number}/pdf") for _ in range(3)))
    assert len({paper.content for paper in papers}) == 1
    (paper, *_) = papers
    assert paper.headers["content-type"] == "application/pdf"
    assert paper.headers["content-disposition"] == f'attachment; filename="{number}.pdf"'
    assert paper.headers["cache-control"] == "private, no-store"
    assert paper.headers["x-content-type-options"] == "nosniff"
    text = "".join(
        "".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(paper.content)).pages
    )
    for said in (
        number,
        "王小明",
        books.organisation.replace(" ", ""),
        "¥200.00",
        HANDLER,
        receipt["check_code"],
    ):
        assert said in text
    voided = await finance.post(f"/receipts/{number}/void", {"reason": "写错"}, if_match='"1"')
    assert voided.status_code == 200
    again = await finance.get(f"/receipts/{number}/pdf")
    assert (again.content, again.headers["etag"]) == (paper.content, paper.headers["etag"])


# ---------------------------------------------------------------- commands


async def test_a_command_sent_again_issues_nothing_more(finance: Finance, books: ReceiptBooks) -> None:
    body = {"donation_ids": [str(await books.donation())], "handler": HANDLER}
    key = uuid4().hex
    answers = await asyncio.gather(*(finance.post("/receipts", body, key=key) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["number"] for answer in answers}) == 1
    assert await books.serials() == [1]
    other = await finance.post("/receipts", body | {"handler": "李会计"}, key=key)
    assert (other.status_code, other.json()["type"]) == (422, "urn:shanliu:problem:idempotency-key-reused")


async def test_a_refusal_says_what_to_do_and_names_no_donor(finance: Finance, books: ReceiptBooks) -> None:
    donation_id = await books.donation()
    number = (await finance.issue(donation_id))["number"]
    body = {"donation_ids": [str(donation_id)], "handler": HANDLER}
    answer = await finance.post("/receipts", body)
    assert answer.status_code == 409
    problem = answer.json()
    assert (problem["type"], problem["receipt"]) == ("urn:shanliu:problem:receipt-exists", number)
    assert "王小明" not in answer.text


async def test_many_donations_get_a_receipt_each_or_a_reason(finance: Finance, books: ReceiptBooks) -> None:
    good = await books.donation()
    held = await books.donation(status="held", held_reason="closed")
    unknown = uuid4()
    ids = [str(each) for each in (held, good, unknown)]
    answer = await finance.post("/receipts/each", {"donation_ids": ids, "handler": HANDLER})
    assert answer.status_code == 200
    items = answer.json()["items"]
    assert [each["donation_id"] for each in items] == ids
    assert [each["problem"] for each in items] == [
        "urn:shanliu:problem:donation-held",
        None,
        "urn:shanliu:problem:not-found",
    ]
    assert await books.serials() == [1]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"donation_ids": []}, "donation_ids"),
        ({"donation_ids": [str(UUID(int=1))] * 2}, "donation_ids"),
        ({"donation_ids": [str(UUID(int=number)) for number in range(101)]}, "donation_ids"),
        ({"donation_ids": ["1"]}, "donation_ids.0"),
        ({"handler": ""}, "handler"),
        ({"handler": "陈\u202e会计"}, "handler"),
        ({"handler": "x" * 65}, "handler"),
        ({"anonymous": "perhaps"}, "anonymous"),
        ({"amount_fen": 1}, "amount_fen"),
    ],
)
async def test_a_wrong_field_is_named(finance: Finance, changes: dict[str, Any], field: str) -> None:
    body = {"donation_ids": [str(uuid4())], "handler": HANDLER} | changes
    answer = await finance.post("/receipts", body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field


async def test_void_and_reissue_ask_for_the_version_they_were_decided_on(
    finance: Finance, books: ReceiptBooks
) -> None:
    number = (await finance.issue(await books.donation()))["number"]
    read = await finance.get(f"/receipts/{number}")
    assert (read.status_code, read.headers["etag"]) == (200, '"1"')
    for action, body in (("void", {"reason": "写错"}), ("reissue", {"reason": "写错", "handler": HANDLER})):
        path = f"/receipts/{number}/{action}"
        assert (await finance.post(path, body)).status_code == 428
        assert (await finance.post(path, body, if_match='"2"')).status_code == 412
    new = await finance.post(f"/receipts/{number}/reissue", body, if_match='"1"')
    assert (new.status_code, new.json()["replaces"]) == (201, number)
    old = (await finance.get(f"/receipts/{number}")).json()
    assert (old["state"], old["replaced_by"], old["void_reason"]) == (
        "replaced",
        new.json()["number"],
        "写错",
    )


async def test_a_waiver_is_recorded_with_who_and_when(finance: Finance, books: ReceiptBooks) -> None:
    donation_id = str(await books.donation())
    body = {"donation_id": donation_id, "waived_on": "2026-11-01", "note": "电话告知放弃"}
    waived = await finance.post("/receipt-waivers", body)
    assert waived.status_code == 201, waived.text
    assert (waived.json()["recorded_by"], waived.json()["waived_on"]) == ("finance", "2026-11-01")
    assert (await finance.post("/receipt-waivers", body)).status_code == 409
    later = body | {"donation_id": str(await books.donation()), "waived_on": "2199-01-01"}
    assert (await finance.post("/receipt-waivers", later)).status_code == 422
    listed = (await finance.get("/receipt-waivers", donation_id=donation_id)).json()["items"]
    assert listed == [waived.json()]
    withdrawn = await finance.post(f"/receipt-waivers/{waived.json()['waiver_id']}/withdraw", {})
    assert withdrawn.json()["withdrawn_by"] == "finance"
    await finance.issue(UUID(donation_id))


async def test_lists_go_on_where_they_ended(finance: Finance, books: ReceiptBooks) -> None:
    numbers = [(await finance.issue(each))["number"] for each in await books.donations(5)]
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = (await finance.get("/receipts", code=books.code, limit=2, **after)).json()
        seen += [each["number"] for each in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert seen == numbers


# ---------------------------------------------------------------- the check


async def until_let_in(send: Callable[[], Any]) -> Response:
    """The answer, as soon as it is not that there were too many."""

    async def answer() -> Response | None:
        found: Response = await send()
        return None if found.status_code == 429 else found

    found = await until(answer)
    assert found is not None
    return found


async def test_anyone_can_check_a_receipt(service: Service, finance: Finance, books: ReceiptBooks) -> None:
    receipt = await finance.issue(await books.donation())
    number, code = receipt["number"], receipt["check_code"]

    async def checked(number: str, code: str) -> Response:
        return await until_let_in(
            lambda: service.http.get(f"/v1/receipts/check/{number}", params={"code": code})
        )

    good = await checked(number, code)
    assert good.json() == {
        "number": number,
        "state": "valid",
        "organisation": books.organisation,
        "licence": "53320500509190000A",
        "purpose": "慈善晚会",
        "amount_fen": 10_000,
        "issued_on": good.json()["issued_on"],
        "donor": "王小明",
        "replaced_by": None,
    }
    assert good.headers["cache-control"] == "no-store"
    assert (await checked(number.lower(), code.lower().replace("-", ""))).json() == good.json()
    wrong = await checked(number, new_check_code())
    unknown = await checked(f"{number[:-1]}9", code)
    assert wrong.status_code == unknown.status_code == 404
    assert wrong.json() == unknown.json()
    slip = await checked(number, code[:-1] + ("0" if code[-1] != "0" else "1"))
    assert (slip.status_code, slip.json()["type"]) == (422, "urn:shanliu:problem:not-a-code")


async def test_the_check_says_what_became_of_a_receipt_and_never_who_gave_without_consent(
    service: Service, finance: Finance, books: ReceiptBooks
) -> None:
    named = await finance.issue(await books.donation(donor_display="anonymous"), anonymous=False)
    alias = await finance.issue(await books.donation(donor_display="alias", donor_alias="爱心"))
    new = (
        await finance.post(
            f"/receipts/{named['number']}/reissue", {"reason": "x", "handler": HANDLER}, if_match='"1"'
        )
    ).json()
    await finance.post(f"/receipts/{alias['number']}/void", {"reason": "写错"}, if_match="*")
    assert named["donor_name"] == "王小明"
    found = []
    for receipt in (named, alias, new):
        address = f"/v1/receipts/check/{receipt['number']}?code={receipt['check_code']}"
        answer = await until_let_in(lambda address=address: service.http.get(address))  # type: ignore[misc]
        assert "王小明" not in answer.text
        assert "写错" not in answer.text
        found.append({name: answer.json()[name] for name in ("state", "donor", "replaced_by")})
    assert found == [
        {"state": "replaced", "donor": None, "replaced_by": new["number"]},
        {"state": "void", "donor": "爱心", "replaced_by": None},
        {"state": "valid", "donor": None, "replaced_by": None},
    ]


async def test_the_check_names_nobody_who_has_withdrawn_the_consent(
    service: Service, finance: Finance, books: ReceiptBooks
) -> None:
    donations = [await books.donation(), await books.donation()]
    receipt = await finance.issue(*donations)
    address = f"/v1/receipts/check/{receipt['number']}?code={receipt['check_code']}"
    told = (await until_let_in(lambda: service.http.get(address))).json()
    asked = await finance.post(f"/donations/{donations[1]}/consent/withdraw", {"reason": "来电要求"})
    assert asked.status_code == 202, asked.text
    now = (await until_let_in(lambda: service.http.get(address))).json()
    assert (told["donor"], now) == ("王小明", {**told, "donor": None})


async def test_the_address_on_the_paper_opens_the_page(
    service: Service, finance: Finance, books: ReceiptBooks
) -> None:
    receipt = await finance.issue(await books.donation())
    address = urlsplit(receipt["check_address"])
    assert f"{address.scheme}://{address.netloc}" == service.place.settings.address
    assert parse_qs(address.query) == {"number": [receipt["number"]], "code": [receipt["check_code"]]}
    page = await until_let_in(lambda: service.http.get(f"{address.path}?{address.query}"))
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    for said in ("有效", receipt["number"], books.organisation, "¥100.00", "人民币壹佰元整", "王小明"):
        assert said in page.text
    english = await until_let_in(lambda: service.http.get(f"{address.path}?{address.query}&lang=en"))
    assert "This receipt is genuine and valid." in english.text
    style = await service.http.get("/receipts/check.css")
    assert style.headers["content-type"].startswith("text/css")


async def test_what_is_typed_comes_back_as_text_only(service: Service) -> None:
    typed = '"><script>alert(1)</script>'
    page = await until_let_in(
        lambda: service.http.get("/receipts/check", params={"number": typed, "code": typed})
    )
    assert page.status_code == 422
    assert "<script" not in page.text


async def test_who_checks_too_often_has_to_wait(service: Service) -> None:
    address = f"/v1/receipts/check/{NUMBER}?code={new_check_code()}"
    answers = await asyncio.gather(*(service.http.get(address) for _ in range(CHECKS_OF_ONE_PER_SECOND * 4)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    assert {answer.status_code for answer in answers} <= {404, 429}


async def test_one_that_checks_too_often_does_not_keep_others_out() -> None:
    limiter = Limiter()
    assert sum(limiter.take("192.0.2.1") for _ in range(50)) == CHECKS_OF_ONE_PER_SECOND
    assert limiter.take("192.0.2.2")


async def test_whatever_is_checked_no_answer_is_a_mistake_of_ours(service: Service) -> None:
    """Numbers and codes as nobody types them, by the JSON route, the page, and the rule behind the limit."""
    texts = st.text(max_size=70) | st.sampled_from(["\x00", NUMBER, "..", "/", "%00", "٠٠٠٠", "\ud800"])

    @settings(max_examples=60, database=None)
    @given(st.lists(st.tuples(texts, texts | st.builds(new_check_code)), min_size=1, max_size=1))
    def gather(pairs: list[tuple[str, str]]) -> None:
        typed.extend(pairs)

    typed: list[tuple[str, str]] = []
    gather()
    for number, code in typed:
        with pytest.raises(Problem) as caught:
            await check(service.place.engine, number, code)
        assert caught.value.status in {404, 422}
    for number, code in typed[::4]:
        sent = {"number": number.encode(errors="replace"), "code": code.encode(errors="replace")}
        path = quote(sent["number"], safe="")
        for address in (f"/v1/receipts/check/{path}", "/receipts/check"):
            answer = await service.http.get(address, params=sent)
            assert answer.status_code < 500, (address, sent)
