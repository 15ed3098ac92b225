"""Notices of payment companies by HTTP: each is proved, translated and on its topic, then acknowledged.

Plain Starlette routes ahead of FastAPI, as those of intake. Each company understands one answer as "taken",
and sends again after any other (docs/decisions/0024-payment-notices.md has the table):

  WeChat Pay   204 without a body             4xx or 5xx with {"code": "FAIL", "message": …}
  Alipay       200, the text `success`        anything else: the text `fail`
  UnionPay     200, the text `ok`             any other status
"""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import structlog
from fastapi import Request
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from services.donation.accepting import Acceptance, let_in, retry_after
from services.donation.channels.directory import Channel, Directory
from services.donation.channels.schemes import Scheme
from services.donation.intake import MAX_BODY_BYTES, DonationRequest, ReversalRequest
from services.donation.metrics import NOTICES, REQUEST_SECONDS, REQUESTS
from services.donation.schemes import alipay, unionpay, wechatpay
from services.donation.schemes.notices import BadNotice, Meaning, NoMoney, RefundedSoFar
from services.donation.schemes.refunds import Refunds
from services.donation.schemes.settings import (
    AlipaySettings,
    NoSettings,
    UnionpaySettings,
    WechatpaySettings,
)
from shared.bodies import bounded_body
from shared.problems import Problem

log = structlog.get_logger(__name__)

S = TypeVar("S", bound=NoSettings)


def _wechatpay(channel: Channel, request: Request, body: bytes, now: datetime) -> Meaning:
    keys = wechatpay.Keys(lambda serial: channel.secrets("platform", serial), channel.secrets("apiv3"))
    return wechatpay.read(_settings(channel, WechatpaySettings), keys, request.headers, body, now)


def _alipay(channel: Channel, _: Request, body: bytes, now: datetime) -> Meaning:
    return alipay.read(_settings(channel, AlipaySettings), channel.secrets("platform"), body, now)


def _unionpay(channel: Channel, _: Request, body: bytes, now: datetime) -> Meaning:
    return unionpay.read(_settings(channel, UnionpaySettings), channel.secrets("platform"), body, now)


def _wechatpay_answer(problem: Problem | None) -> Response:
    if problem is None:
        return Response(status_code=204)
    said = {"code": "FAIL", "message": problem.detail}
    return JSONResponse(said, problem.status, headers=problem.headers)


def _alipay_answer(problem: Problem | None) -> Response:
    if problem is None:
        return PlainTextResponse("success")
    return PlainTextResponse("fail", problem.status, headers=problem.headers)


def _unionpay_answer(problem: Problem | None) -> Response:
    if problem is None:
        return PlainTextResponse("ok")
    return PlainTextResponse(problem.detail, problem.status, headers=problem.headers)


_READERS: Final[dict[Scheme, Callable[[Channel, Request, bytes, datetime], Meaning]]] = {
    "wechatpay": _wechatpay,
    "alipay": _alipay,
    "unionpay": _unionpay,
}
_ANSWERS: Final[dict[Scheme, Callable[[Problem | None], Response]]] = {
    "wechatpay": _wechatpay_answer,
    "alipay": _alipay_answer,
    "unionpay": _unionpay_answer,
}


class NoticesApi:
    """Takes the notices of payment companies: acknowledged only when the broker has them (acks=all)."""

    def __init__(self, directory: Directory, acceptance: Acceptance, refunds: Refunds) -> None:
        self._directory = directory
        self._acceptance = acceptance
        self._refunds = refunds

    def routes(self) -> list[Route]:
        """The notices' routes, to stand ahead of the application's own."""
        return [
            Route(f"/v1/channels/{{channel}}/{scheme}", self._answering(scheme), methods=["POST"])
            for scheme in _READERS
        ]

    def _answering(self, scheme: Scheme) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            started_s = time.perf_counter()
            name, problem = "unknown", None
            try:
                channel = await self._channel(request, scheme)
                name = channel.name
                outcome = await self._take(request, channel)
            except Problem as raised:
                problem, outcome = raised, raised.code
                if problem.status in {409, 422}:  # it is the company's own: somebody has to look
                    log.error("notice_not_taken", channel=name, code=problem.code, detail=problem.detail)
            response = _ANSWERS[scheme](problem)
            NOTICES.labels(name, outcome).inc()
            REQUEST_SECONDS.observe(time.perf_counter() - started_s)
            REQUESTS.labels(name, response.status_code).inc()
            return response

        return answer

    async def _channel(self, request: Request, scheme: Scheme) -> Channel:
        try:
            channel = await self._directory.find(request.path_params["channel"])
        except (SQLAlchemyError, OSError) as error:
            raise _away(error) from None
        if channel is None or channel.scheme != scheme:
            raise Problem(404, "unknown-channel", "No channel of that name takes these notices.")
        return channel

    async def _take(self, request: Request, channel: Channel) -> str:
        """What it came to: a word for the count."""
        body = await bounded_body(request, MAX_BODY_BYTES)
        now = datetime.now(UTC)
        try:
            channel, meaning = await self._understood(channel, request, body, now)
            let_in(channel)
            return await self._book(channel, meaning, now)
        except BadNotice as bad:
            raise Problem(bad.status, bad.code, bad.detail) from None

    async def _understood(
        self, channel: Channel, request: Request, body: bytes, now: datetime
    ) -> tuple[Channel, Meaning]:
        """The channel as it is now, and what the notice means. What no known key proves may be signed by one
        that was added in another process just now: the channels are read again, at most once a second.
        """
        read = _READERS[channel.scheme]
        try:
            return channel, read(channel, request, body, now)
        except BadNotice as bad:
            if bad.status != 401:
                raise
        channel = await self._directory.renewed(channel)
        return channel, read(channel, request, body, now)

    async def _book(self, channel: Channel, meaning: Meaning, now: datetime) -> str:
        if isinstance(meaning, NoMoney):
            log.info("notice_moves_nothing", channel=channel.name, state=meaning.state)
            return "no-money"
        if isinstance(meaning, RefundedSoFar):
            for each in await self._reversals(channel, meaning, now):
                await self._publish(channel, each)
            return "refund"
        await self._publish(channel, meaning)
        return "donation" if isinstance(meaning, DonationRequest) else "refund"

    async def _reversals(
        self, channel: Channel, so_far: RefundedSoFar, now: datetime
    ) -> list[ReversalRequest]:
        try:
            return await self._refunds.reversals(channel.name, so_far, now)
        except (SQLAlchemyError, OSError) as error:
            raise _away(error) from None

    async def _publish(self, channel: Channel, message: DonationRequest | ReversalRequest) -> None:
        """What contradicts an earlier notice is published too: booking writes the conflict down, and the
        company, which can't mend it by sending again, has done its part. So is money for a campaign that the
        channel may not give to: booking holds it.
        """
        await self._acceptance.take(channel, message, settled=True)


def _settings(channel: Channel, model: type[S]) -> S:
    try:
        return model.model_validate(channel.settings)
    except ValidationError:
        detail = "This channel's settings are not its scheme's."
        raise Problem(503, "not-set-up", detail, headers=retry_after(60)) from None


def _away(error: Any) -> Problem:
    log.warning("notice_not_taken_now", error=repr(error)[:200])
    return Problem(503, "unavailable", "A part this needs does not answer.", headers=retry_after(2))
