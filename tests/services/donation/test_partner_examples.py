"""The partner API's examples run as a partner runs them: as programs, against a running service."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from services.donation.intake import donation_id_of, reversal_id_of
from tests.services.donation.builders import a_donation, a_reversal, new_id
from tests.services.donation.places import Channel, Service

pytestmark = pytest.mark.asyncio(loop_scope="package")

EXAMPLES: Final = Path(__file__).parents[3] / "docs" / "channels" / "examples"
PATIENCE_S: Final = 120


async def run(
    service: Service, channel: Channel, command: Sequence[str | Path], said: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run a program with what the registration gave the partner; `said` is its standard input."""
    environment = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "SHANLIU_URL": str(service.http.base_url).rstrip("/"),
        "SHANLIU_CHANNEL": channel.name,
        "SHANLIU_SECRET": channel.secret,
    }
    return await asyncio.to_thread(
        subprocess.run,
        list(map(str, command)),
        input=said,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


async def done(service: Service, channel: Channel, command: Sequence[str | Path], said: str = "") -> str:
    ended = await run(service, channel, command, said)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert channel.secret not in ended.stdout + ended.stderr
    return ended.stdout


def client(*words: str) -> list[str | Path]:
    return [sys.executable, EXAMPLES / "client.py", *words]


def send(*words: str) -> list[str | Path]:
    missing = [tool for tool in ("bash", "curl", "openssl", "base64", "od") if shutil.which(tool) is None]
    assert not missing, f"the example needs {missing}"
    return ["bash", EXAMPLES / "send.sh", *words]


async def test_the_python_client_reports_asks_and_takes_back(service: Service) -> None:
    channel, body = await service.channel(), a_donation()
    donation_id = str(donation_id_of(channel.name, body["transaction_id"]))
    for _ in range(2):
        said = await done(service, channel, client("donate"), json.dumps(body))
        assert said.strip() == donation_id, "a repeat gets the same id"
    await service.status(donation_id, "held")
    stands = json.loads(await done(service, channel, client("status", body["transaction_id"])))
    assert (stands["donation_id"], stands["status"]) == (donation_id, "held")
    refund = a_reversal(body["transaction_id"])
    said = await done(service, channel, client("reverse"), json.dumps(refund))
    assert said.strip() == str(reversal_id_of(channel.name, refund["reversal_id"]))


async def test_the_python_client_sends_again_what_is_in_doubt_and_nothing_that_is_wrong(
    service: Service,
) -> None:
    channel = await service.channel(sandbox=True)
    for asked in ("sandbox-429", "sandbox-503"):
        body = a_donation(transaction_id=new_id(asked))
        ended = await run(service, channel, client("donate"), json.dumps(body))
        assert ended.returncode == 0, ended.stderr
        assert f"{asked[-3:]}, again in" in ended.stderr
    wrong = await run(service, channel, client("donate"), json.dumps(a_donation(amount_fen=0)))
    assert wrong.returncode != 0
    assert "amount_fen" in wrong.stderr
    assert "again in" not in wrong.stderr


async def test_the_python_client_sends_many_and_again_only_what_has_to_be(service: Service) -> None:
    channel = await service.channel(sandbox=True)
    bodies = [a_donation() for _ in range(1_001)]
    bodies[3] = a_donation(transaction_id=new_id("sandbox-503"))
    bodies[5] = a_donation(amount_fen=0)
    lines = "".join(json.dumps(body) + "\n" for body in bodies)
    items = [json.loads(line) for line in (await done(service, channel, client("batch"), lines)).splitlines()]
    assert [item["transaction_id"] for item in items] == [body["transaction_id"] for body in bodies]
    assert [index for index, item in enumerate(items) if item["status"] != "accepted"] == [5]
    stored = "SELECT count(*) FROM sandbox_messages WHERE channel = :c AND state = 'taken'"
    assert await service.place.value(stored, c=channel.name) == 1_000


async def test_curl_and_openssl_are_enough(service: Service) -> None:
    channel, body = await service.channel(), a_donation()
    donation_id = str(donation_id_of(channel.name, body["transaction_id"]))
    accepted: dict[str, Any] = {"donation_id": donation_id, "status": "accepted"}
    for _ in range(2):
        said = await done(service, channel, send("donations"), json.dumps(body, ensure_ascii=False))
        assert json.loads(said) == accepted
    batch = json.dumps({"donations": [body, {**body, "amount_fen": 1}, a_donation()]})
    counted = json.loads(await done(service, channel, send("donations/batch"), batch))
    assert (counted["accepted"], counted["refused"]) == (2, 1)
    refund = await done(service, channel, send("reversals"), json.dumps(a_reversal(body["transaction_id"])))
    assert json.loads(refund)["status"] == "accepted"
    await service.status(donation_id, "held")
    stands = json.loads(await done(service, channel, send("status", body["transaction_id"])))
    assert (stands["donation_id"], stands["status"]) == (donation_id, "held")


async def test_curl_sends_again_what_is_in_doubt_and_nothing_that_is_wrong(service: Service) -> None:
    channel = await service.channel(sandbox=True)
    body = json.dumps(a_donation(transaction_id=new_id("sandbox-503")))
    assert json.loads(await done(service, channel, send("donations"), body))["status"] == "accepted"
    wrong = await run(service, channel, send("donations"), json.dumps(a_donation(amount_fen=0)))
    assert wrong.returncode == 1
    assert "amount_fen" in wrong.stderr
    forger = Channel(service, channel.name, "whsec_" + "A" * 44)
    forged = await run(service, forger, send("donations"), body)
    assert (forged.returncode, "signature-wrong" in forged.stderr) == (1, True)
