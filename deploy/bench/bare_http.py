"""What HTTP intake is measured against: a bare Starlette route that checks the same signature and waits for
the same broker's acknowledgement (acks=all), and does nothing else.

It does not look into the body: no model, no limits, no memory of repeats, no time-outs, no metrics. The
broker is the one that the environment names: `python -m deploy.bench.bare_http <port> <key hex>`.
"""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import uvicorn
from aiokafka import AIOKafkaProducer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.donation.signatures import verify
from shared.broker import KafkaSettings

TOPIC: Final = "bench.bare-http"


def create_app(key: bytes, settings: KafkaSettings) -> Starlette:
    """An application with the one route."""
    topic = settings.topic(TOPIC)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AIOKafkaProducer(**settings.client(), acks="all") as producer:
            app.state.producer = producer
            yield

    async def take(request: Request) -> Response:
        body = await request.body()
        message_id = verify([key], request.headers, body, time.time())
        await request.app.state.producer.send_and_wait(topic, body, key=message_id.encode())
        return JSONResponse({"status": "accepted"}, 202)

    route = Route("/v1/channels/{channel}/donations", take, methods=["POST"])
    return Starlette(routes=[route], lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(
        create_app(bytes.fromhex(sys.argv[2]), KafkaSettings()),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        server_header=False,
    )
