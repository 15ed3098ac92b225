"""The partners' guide is true: its receiver receives, and its table is what goes out."""

import re
import time
from pathlib import Path
from typing import Any

from httpx import ASGITransport, AsyncClient

from services.notification.partners.projection import PUBLIC, ping
from services.notification.partners.schedule import DELAYS_S
from services.notification.partners.signing import headers_of, new_secret

GUIDE = Path(__file__).parents[3] / "docs" / "partners.md"


async def test_the_receiver_of_the_guide_takes_each_event_once_and_only_with_our_signature() -> None:
    (source,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(source, names)  # noqa: S102 - our own guide
    secret, taken = new_secret(), list[dict[str, Any]]()
    transport = ASGITransport(names["receiver"](secret, set(), taken.append))
    message = ping("ping:1", "e", "2027-01-01T00:00:00Z")

    async def told(by: list[str]) -> int:
        headers = headers_of(by, message.event_id, int(time.time()), message.body)
        async with AsyncClient(transport=transport, base_url="http://partner") as client:
            answer = await client.post("/hooks/shanliu", content=message.body, headers=headers)
        return answer.status_code

    assert await told([secret]) == 204
    assert await told([new_secret(), secret]) == 204, "while the secret is being changed"
    assert await told([new_secret()]) == 401
    assert [each["id"] for each in taken] == ["ping:1"]


def test_the_table_of_the_guide_is_what_goes_out() -> None:
    rows = re.findall(r"^\| `(org\.shanliu\.[^`]+)` \| ([^|]+) \|$", GUIDE.read_text("utf-8"), re.MULTILINE)
    assert {name: tuple(fields.split(", ")) for name, fields in rows} == PUBLIC


def test_the_guide_names_the_schedule() -> None:
    assert "5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 2 h, 4 h, 8 h, then six times 12 h" in GUIDE.read_text(
        "utf-8"
    )
    assert (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, *(43200,) * 6) == DELAYS_S
