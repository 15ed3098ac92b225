"""Reports in public: listed, shown, as files; corrected ones stay and say so."""

import hashlib
import io
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from openpyxl import load_workbook
from pypdf import PdfReader
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.handlers import count
from services.reporting.settings import Settings
from shared.events import Event, ReportCorrected, ReportPublished
from shared.events.documents import Document, digest_of, encode
from shared.events.reports import ReportCorrectedData, ReportPublishedData
from tests.reports import a_correction, a_document
from tests.services.reporting.builders import EVENING, CampaignSource
from tests.services.reporting.processes import asking


def published(source: CampaignSource, document: Document, *, corrects: UUID | None = None) -> Event:
    """The event of a report, as the campaign service sends it."""
    content = encode(document)
    said: dict[str, Any] = {
        "report_id": uuid4(),
        "kind": document.kind,
        "campaign_id": document.heading.campaign_id,
        "organisation": document.heading.organisation,
        "title": document.heading.title,
        "period_from": document.period_from,
        "period_to": document.period_to,
        "content": content.decode(),
        "digest": digest_of(content),
    }
    if corrects is None:
        data = ReportPublishedData(**said)
        event: Event = source.place(ReportPublished, data, data.report_id, EVENING)
        return event
    corrected = ReportCorrectedData(**said, corrects=corrects, revision=2, reason="漏列一笔支出")
    correction: Event = source.place(ReportCorrected, corrected, corrected.report_id, EVENING)
    return correction


async def take(engine: AsyncEngine, *events: Event) -> None:
    async with engine.begin() as connection:
        await count(connection, list(events))


async def test_a_report_is_listed_shown_and_proved_by_its_digest(
    settings: Settings, engine: AsyncEngine
) -> None:
    event = published(CampaignSource(), a_document())
    await take(engine, event)
    async with asking(settings) as client:
        listed = (await client.get("/v1/reports", params={"year": 2023, "kind": "final"})).json()
        assert [each["report_id"] for each in listed["items"]] == [str(event.data.report_id)]
        assert (await client.get("/v1/reports", params={"year": 2022})).json()["items"] == []
        address = f"/v1/reports/{event.data.report_id}"
        document = await client.get(f"{address}/document")
        assert hashlib.sha256(document.content).hexdigest() == event.data.digest
        again = await client.get(f"{address}/document", headers={"If-None-Match": document.headers["ETag"]})
        assert again.status_code == 304
        read = (await client.get(address)).json()
        assert read["document"]["heading"]["title"] == event.data.title
        page = await client.get(f"/reports/{event.data.report_id}")
        assert page.status_code == 200
        for said in ("6,000,000.06", "苏州市慈善总会", "53320500509190000AA23001", event.data.digest):
            assert said in page.text
        assert event.data.title in (await client.get("/reports")).text


async def test_its_files_are_made_once_and_say_when_it_was_corrected(
    settings: Settings, engine: AsyncEngine
) -> None:
    source = CampaignSource()
    first = published(source, a_document())
    await take(engine, first)
    async with asking(settings) as client:
        address = f"/v1/reports/{first.data.report_id}"
        pdf = await client.get(f"{address}/file.pdf")
        assert pdf.headers["content-type"] == "application/pdf"
        assert "已被更正" not in text_of(pdf)
        assert (await client.get(f"{address}/file.pdf")).content == pdf.content
        xlsx = await client.get(f"{address}/file.xlsx")
        assert load_workbook(io.BytesIO(xlsx.content))["封面"]["A1"].value == first.data.title
        second = published(source, a_correction(), corrects=first.data.report_id)
        await take(engine, second)
        assert "已被更正" in text_of(await client.get(f"{address}/file.pdf"))
        old = await client.get(f"/reports/{first.data.report_id}")
        assert f"/reports/{second.data.report_id}" in old.text
        new = await client.get(f"/reports/{second.data.report_id}")
        assert "漏列一笔支出" in new.text
        read = (await client.get(address)).json()
        assert (read["corrected_by"], read["digest"]) == (str(second.data.report_id), first.data.digest)


def text_of(answer: httpx.Response) -> str:
    return PdfReader(io.BytesIO(answer.content)).pages[0].extract_text()


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"/v1/reports/{UUID(int=0)}", 404),
        (f"/v1/reports/{UUID(int=0)}/file.docx", 422),
        ("/v1/reports?year=1999", 422),
        ("/v1/reports?campaign_id=%00", 422),
    ],
)
async def test_what_is_not_there_is_a_problem_document(settings: Settings, address: str, status: int) -> None:
    async with asking(settings) as client:
        answer = await client.get(address)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("report_id", [str(UUID(int=0)), "annual-2023"])
async def test_a_page_that_is_not_there_is_the_list_and_says_so(settings: Settings, report_id: str) -> None:
    async with asking(settings) as client:
        answer = await client.get(f"/reports/{report_id}")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "没有公开过这份报告" in answer.text
