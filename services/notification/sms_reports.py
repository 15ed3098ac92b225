"""What companies report of short messages that they have taken: whether the handset got them.

A report changes no message's state. Taken by the company is delivered (decision 21); the contact is deleted
by then, and nothing is sent again because of it. It stands with the attempt, and is counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.notification.couriers.callbacks import SmsProvider, posted, taken
from services.notification.couriers.provider import code_of
from services.notification.metrics import SMS_REPORTS
from services.notification.settings import Settings


@dataclass(frozen=True, slots=True)
class Report:
    """Of the message that the company knows by this id: whether it arrived, and the carrier's code."""

    provider_id: str
    arrived: bool
    code: str


def reports_in(said: Sequence[Mapping[str, Any]]) -> list[Report]:
    """The reports of a call; what names no message, or does not say, is passed over.

    Alibaba Cloud sends {biz_id, success, err_code, …} (SmsReport), Tencent Cloud {sid, report_status:
    SUCCESS|FAIL, errmsg, …}.
    """
    reports = []
    for each in said:
        provider_id = each.get("biz_id", each.get("sid"))
        arrived = _ARRIVED.get(str(each.get("success", each.get("report_status"))).upper())
        if isinstance(provider_id, str) and code_of(provider_id) == provider_id and arrived is not None:
            code = code_of(each.get("err_code", each.get("errmsg")))
            reports.append(Report(provider_id, arrived, code))
    return reports


_ARRIVED: Final = {"TRUE": True, "FALSE": False, "SUCCESS": True, "FAIL": False}
_NOTE: Final = text("""
UPDATE attempts SET arrived = report.arrived, report = report.code, reported_at = now()
FROM unnest(CAST(:provider_ids AS text[]), CAST(:arrived AS boolean[]), CAST(:codes AS text[]))
    AS report (provider_id, arrived, code)
WHERE attempts.provider_id = report.provider_id
""")


async def note(connection: AsyncConnection, reports: Sequence[Report]) -> None:
    """Write reports to their attempts; the last of one message counts."""
    last = {each.provider_id: each for each in reports}
    values = {
        "provider_ids": list(last),
        "arrived": [each.arrived for each in last.values()],
        "codes": [each.code for each in last.values()],
    }
    await connection.execute(_NOTE, values)


def create_router(settings: Settings, engine: AsyncEngine) -> APIRouter:
    """POST /v1/sms-reports/{provider}/{secret}."""
    router = APIRouter(tags=["messages"])

    @router.post(
        "/v1/sms-reports/{provider}/{secret}", summary="Whether short messages arrived, from the provider"
    )
    async def take_reports(request: Request, provider: SmsProvider, secret: str) -> Response:
        """Noted with the attempt. The address holds the same secret as that for answers."""
        reports = reports_in(await posted(request, settings, secret))
        async with engine.begin() as connection:
            await note(connection, reports)
        for each in reports:
            SMS_REPORTS.labels("yes" if each.arrived else "no").inc()
        return taken(provider)

    return router
