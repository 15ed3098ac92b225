"""GET /v1/campaigns/{id}/totals: how many snapshots one core answers, whole (200) and unchanged (304).

What stands behind a CDN: with max-age=1 each of its nodes asks once a second, so a thousand nodes are a
thousand requests a second, however many millions look on. Closed loop over a few connections; the load has
the other core. Requests a second are divided by the share of a core that the process took.
"""

from typing import Final

import httpx

from deploy.bench import meters
from deploy.bench.gala import CAMPAIGN, gala
from deploy.bench.ground import Base
from deploy.bench.http_load import Load
from deploy.bench.report import Figure, Result, percentile

REQUESTS: Final = 40_000
CONNECTIONS: Final = 32
GOAL: Final = 5_000.0
"""Requests a second and core: five thousand nodes of a CDN."""


async def measure(base: Base, requests: int = REQUESTS) -> Result:
    """First whole answers, then those to the ETag of what has not changed."""
    result = Result("snapshot")
    async with gala(base) as scene:
        url = scene.ground.wiring.url("reporting")
        path = f"/v1/campaigns/{CAMPAIGN}/totals"
        async with httpx.AsyncClient(base_url=url) as client:
            first = await client.get(path)
        etag = first.headers["etag"]
        plain = f"GET {path} HTTP/1.1\r\nhost: bench\r\n".encode()
        kinds = {200: plain + b"\r\n", 304: plain + f"if-none-match: {etag}\r\n\r\n".encode()}
        pids = {"reporting": scene.ground.pids["reporting"]}
        for status, request in kinds.items():
            await Load(url, [request] * (requests // 10)).at_once(CONNECTIONS)
            meter = meters.CpuMeter(pids)
            meter.begin()
            answers = await Load(url, [request] * requests).at_once(CONNECTIONS)
            cpu = meter.end()
            if wrong := len(answers.statuses) - answers.statuses.count(status):
                result.wrong.append(f"{wrong} of {requests} answers were not {status}")
            took = zip(answers.sent_ns, answers.answered_ns, strict=True)
            p99_ms = percentile(sorted((done - sent) / 1e6 for sent, done in took), 0.99)
            rate = len(answers.statuses) / answers.seconds
            note = f"{rate:,.0f}/s with {cpu['reporting']:.2f} of a core, p99 {p99_ms:.1f} ms"
            result.figures.append(Figure(f"{status} a core", rate / cpu["reporting"], "/s", GOAL, note=note))
            result.details[str(status)] = {"rate": rate, "cpu_cores": cpu, "bytes": len(first.content)}
    return result
