"""What HTTP intake is measured against: a bare Starlette route with the same signature and the same model.

No broker, no limits, no memory of repeats, no metrics: `python -m deploy.bench.bare_http <port> <key hex>`.
"""

import sys
import time
from datetime import UTC, datetime

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.donation.intake import DonationRequest, donation_id_of, parse
from services.donation.signatures import verify


def create_app(key: bytes) -> Starlette:
    """An application with the one route."""

    async def take(request: Request) -> Response:
        body = await request.body()
        verify([key], request.headers, body, time.time())
        message = parse(body, datetime.now(UTC), {"donation": DonationRequest})
        assert isinstance(message, DonationRequest)
        donation_id = donation_id_of(request.path_params["channel"], message.transaction_id)
        return JSONResponse({"donation_id": str(donation_id), "status": "accepted"}, 202)

    return Starlette(routes=[Route("/v1/channels/{channel}/donations", take, methods=["POST"])])


if __name__ == "__main__":
    uvicorn.run(
        create_app(bytes.fromhex(sys.argv[2])),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        server_header=False,
    )
