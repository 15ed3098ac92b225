"""Keys and passwords renewed on a system that takes donations all the while, by the steps of docs/keys.md: no
request is refused, nothing is lost, and the old ones open nothing any more.
"""

import asyncio
import base64
import dataclasses
import hashlib
import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from sqlalchemy.engine import make_url

from deploy.access import Access, Gatekeeper, service_role
from deploy.bench.ground import Ground, prepared
from deploy.local.credentials import write_private
from deploy.local.processes import SOURCE
from deploy.local.services import BY_NAME
from shared.access import Person
from shared.console_tokens import mint, new_key, private_key
from shared.kafka_client import KafkaClientSettings
from tests.faults.surge import AMOUNT_FEN, Surge
from tests.grounds import Base, Copied
from tests.parts import Doors
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

CHANNEL = "renewed"
CAMPAIGN = "rotations"
AT_ONCE = 4
PAUSE_S = 0.2
"""Each of them: a request every 50 ms meets whatever is replaced."""
COUNTED = (
    "SELECT count(*) = $1 AND CAST(sum(amount_fen) AS bigint) = $2 FROM donations WHERE status = 'received'"
)


@dataclasses.dataclass
class House:
    """The donation service behind the secured door of the broker, and a campaign that is on air."""

    ground: Ground
    doors: Doors
    keeper: Gatekeeper
    kafka: Access
    channel_secret: str

    def settle(self, **changed: Any) -> None:
        """Further settings of the donation service, from its next start on."""
        services = self.ground.services
        more = {
            **services.wiring.more,
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_USERNAME": self.kafka.user,
            "KAFKA_SASL_PASSWORD": self.kafka.password,
        }
        services.wiring = dataclasses.replace(services.wiring, kafka=self.doors.secured, more=more, **changed)

    async def restart(self, *names: str) -> None:
        for name in names:
            await asyncio.to_thread(self.ground.services.replace, name)

    async def admin(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.ground.base.dsn)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def status(self, token: str) -> int:
        """What who has this token is answered."""
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=self.ground.wiring.url("donation"), timeout=8) as http:
            return (await http.get("/v1/channels", headers=headers)).status_code

    def surge(self, secret: str) -> Surge:
        wiring = self.ground.wiring
        url = wiring.url("donation")
        return Surge(url, wiring.kafka, wiring.namespace, CHANNEL, secret, CAMPAIGN)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(secured_kafka: Doors, postgres: str, copied: Copied) -> AsyncIterator[House]:
    base = Base(secured_kafka.bootstrap, postgres, copied)
    async with prepared(base) as ground:
        await ground.start("campaign")
        plain = KafkaClientSettings(kafka_bootstrap_servers=secured_kafka.bootstrap)
        keeper = Gatekeeper(plain, ground.wiring.namespace)
        house = House(ground, secured_kafka, keeper, keeper.give(service_role("donation")), "")
        house.settle()
        await ground.start("donation", "donation-worker")
        await ground.launch(CAMPAIGN)
        new = {"channel": CHANNEL, "title": CHANNEL, "limit_per_second": 1_000_000}
        house.channel_secret = (await ground._command("donation", "/v1/channels", new, "administrator"))[
            "secret"
        ]
        yield house
        keeper.take(service_role("donation"))
    connection = await asyncpg.connect(base.dsn)
    await connection.execute(f'DROP ROLE IF EXISTS "{ground.name}_second"')
    await connection.close()


async def test_every_secret_is_renewed_under_load_and_no_request_is_refused(house: House) -> None:
    surge, done = house.surge(house.channel_secret), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(surge.steadily(done, AT_ONCE, PAUSE_S))
        try:
            await _the_steps(house, surge)
        finally:
            done.set()
    assert surge.refused == 0
    await until(lambda: _counted(house, surge), deadline_s=30)


async def _the_steps(house: House, surge: Surge) -> None:
    """Readers learn the new ones, then writers use them, then the old ones go."""
    ground, credentials = house.ground, house.ground.credentials
    old_key, new_channel_key = credentials.channel_key, _random_key()
    administrator, of_the_console = credentials.operators["administrator"], secrets.token_urlsafe(32)

    # The console's key: both halves are known at once, without a restart.
    before, after = private_key(ground.folder / "console-key.json"), new_key()
    assert await house.status(_minted(after)) == 401
    _console_set(house, before, after)
    assert {await house.status(_minted(key)) for key in (before, after)} == {200}
    _console_set(house, after)
    assert [await house.status(_minted(key)) for key in (before, after)] == [401, 200]

    # A channel's signing key: both count until the overlap is over.
    answer = await ground._command("donation", f"/v1/channels/{CHANNEL}/keys", {}, "administrator")
    await house.surge(house.channel_secret).by_http(1)
    surge.secret = answer["secret"]

    # A second role of the database, a second token of a person, a second key at rest; the broker's password.
    url = make_url(ground.wiring.databases["donation"])
    second, password = f"{ground.name}_second", secrets.token_urlsafe(16)
    await house.admin(
        f'CREATE ROLE "{second}" LOGIN PASSWORD \'{password}\' IN ROLE "{url.username}"',
        f'ALTER ROLE "{second}" SET role = "{url.username}"',
    )
    moved = url.set(username=second, password=password).render_as_string(hide_password=False)
    _operators(house, administrator, of_the_console)
    of_before, house.kafka = house.kafka, house.keeper.give(service_role("donation"))
    house.settle(
        databases={**ground.wiring.databases, "donation": moved}, channel_key=f"{old_key},{new_channel_key}"
    )
    await house.restart("donation", "donation-worker")
    assert {await house.status(token) for token in (administrator, of_the_console)} == {200}
    with pytest.raises(KafkaConnectionError):
        await _come_in(house, of_before)
    await _come_in(house, house.kafka)
    await house.admin(f'ALTER ROLE "{url.username}" NOLOGIN')
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))

    # What is sealed is sealed with the new key; the old ones go.
    house.settle(channel_key=f"{new_channel_key},{old_key}")
    await house.restart("donation")
    assert await asyncio.to_thread(_reseal, house) == "sealed 2 secrets again\n"
    _operators(house, of_the_console)
    house.settle(channel_key=new_channel_key)
    await house.restart("donation", "donation-worker")
    assert [await house.status(token) for token in (administrator, of_the_console)] == [401, 200]
    await surge.by_http(10)

    # The channel has long signed with its new key.
    await _revoke(house, of_the_console, answer["key_id"])
    with pytest.raises(AssertionError, match="401"):
        await house.surge(house.channel_secret).by_http(1)


async def _revoke(house: House, token: str, kept: str) -> None:
    """End every signing key of the channel but one."""
    path = f"/v1/channels/{CHANNEL}/keys"
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=house.ground.wiring.url("donation"), headers=headers, timeout=8
    ) as http:
        for key in (await http.get(path)).json():
            if key["key_id"] != kept:
                assert (await http.delete(f"{path}/signing/{key['key_id']}")).status_code == 204


async def _counted(house: House, surge: Surge) -> bool:
    sent = len(surge.acknowledged) + 1
    return bool(await house.ground.value("donation", COUNTED, sent, sent * AMOUNT_FEN))


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _minted(key: Any) -> str:
    return mint(key, Person("陈财务", frozenset({"viewer"}), {}), "donation")


def _console_set(house: House, *keys: Any) -> None:
    path = house.ground.wiring.console_public_file
    assert path is not None
    write_private(path, json.dumps({"keys": [key.as_dict(private=False) for key in keys]}))


def _operators(house: House, *tokens: str) -> None:
    """The administrator with these tokens, beside everybody else."""
    path = house.ground.wiring.operators_file
    others = [each for each in json.loads(path.read_text("utf-8")) if each["person"] != "administrator"]
    mine = [
        {
            "person": "administrator",
            "roles": ["administrator"],
            "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
        }
        for token in tokens
    ]
    write_private(path, json.dumps([*others, *mine]))


async def _come_in(house: House, access: Access) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=house.doors.secured,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=access.user,
        sasl_plain_password=access.password,
    )
    try:
        await producer.start()
    finally:
        await producer.stop()


def _reseal(house: House) -> str:
    environment = house.ground.wiring.environment(BY_NAME["donation"])
    asked = [sys.executable, "-m", "services.donation", "reseal"]
    done = subprocess.run(
        asked, cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout
