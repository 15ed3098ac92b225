"""A surge of 100,000 thanks drains at its set rate, from several processes, and delays nothing live."""

import time
from uuid import uuid4

import pytest

from services.notification.couriers.ways import Way
from services.notification.pace import reserve
from services.notification.settings import Settings
from tests.services.notification.conftest import bearer, running, surroundings
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

THANKS = 100_000
RATE = 25.0
MORE = 100
_WAITING = """
INSERT INTO messages (donation_id, campaign_id, channel, amount_fen, occurred_at, state, attempts_left,
    next_attempt_at, created_at, changed_at)
SELECT CAST(md5(CAST(n AS text)) AS uuid), 'gala-2024', 'wechat', 100, now(), 'pending', 16, now(), now(),
    now()
FROM generate_series(1, :thanks) AS n
"""
_CONTACTS = """
INSERT INTO contacts (donation_id, email, received_at, expires_at)
SELECT CAST(md5(CAST(n AS text)) AS uuid), 'donor' || n || '@example.com', now(), now() + interval '7 days'
FROM generate_series(1, :thanks) AS n
"""


async def test_a_hundred_thousand_thanks_leave_at_their_rate_and_delay_nothing_live(
    own_settings: Settings,
) -> None:
    slow = own_settings.model_copy(update={"smtp_rate_per_s": RATE, "upkeep_every_s": 30.0})
    async with surroundings(slow) as world, running(world.settings) as api, running(world.settings):
        await world.launch()
        await world.reaches(await world.donate(), "delivered")
        for statement in (_WAITING, _CONTACTS, "ANALYZE messages", "ANALYZE contacts"):
            values = {"thanks": THANKS} if ":thanks" in statement else {}
            await world.change(statement, **values)
        before = world.mailbox.received

        async def flowing() -> bool:
            return world.mailbox.received > before + RATE

        await until(flowing)
        start, at_start = time.monotonic(), world.mailbox.received
        content = {"way": "mail", "subject": "x", "text": "{organisation} {unsubscribe}"}
        body = {"language": "en", "campaign_id": "c1", "content": content, "based_on": 0}
        headers = bearer("li") | {"idempotency-key": str(uuid4())}
        template = (await api.post("/v1/templates", json=body, headers=headers)).json()
        to = f"{uuid4().hex}@example.com"
        headers = headers | {"idempotency-key": str(uuid4())}
        await api.post(f"/v1/templates/{template['template_id']}/test", json={"to": to}, headers=headers)

        async def arrived() -> bool:
            return bool(world.mailbox.find(to=to))

        await until(arrived)
        live_s = time.monotonic() - start

        async def going_on() -> bool:
            return world.mailbox.received >= at_start + MORE

        await until(going_on)
        passed_s, sent = time.monotonic() - start, world.mailbox.received - at_start
        assert live_s < 30.0, "a hundred thousand thanks take an hour and more; it waited for none of them"
        assert sent <= 1.1 * RATE * passed_s + 8, (sent, passed_s)
        statement = "SELECT count(*) FROM messages WHERE attempts > 1"
        assert await world.rows(statement) == [(0,)], "each of them once"


async def test_the_turns_of_several_processes_are_one_rate(own_settings: Settings) -> None:
    async with surroundings(own_settings) as world:
        start = time.monotonic()
        waits = [await reserve(world.engine, Way.SMS, 10.0) for _ in range(5)]
        passed_s = time.monotonic() - start
        assert waits[0] == 0.0
        assert 0.4 - passed_s <= waits[4] <= 0.4, "four tenths of a second after the first"
        assert await reserve(world.engine, Way.WECHAT, 10.0) == 0.0, "each way has its own"
        await world.change("UPDATE pace SET next_at = now() - interval '1 hour'")
        burst = [await reserve(world.engine, Way.SMS, 10.0) for _ in range(2)]
        assert burst[1] > 0.0, "a pause saves up nothing"
