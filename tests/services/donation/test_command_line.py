"""`shanliu channel` and `shanliu statement`, against a running service."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from deploy.local.problems import StackProblem
from tests.services.donation.builders import a_donation, new_id, token
from tests.services.donation.places import Channel, Service
from tests.services.donation.test_statements import a_file, a_line, sends_files

pytestmark = pytest.mark.asyncio(loop_scope="package")

WECHAT = '{"campaign_id": "gala", "mchid": "1900000109"}'


async def shanliu(service: Service, *words: str, person: str = "admin", command: str = "channel") -> Result:
    environment = {"DONATION_URL": str(service.http.base_url), "OPERATOR_TOKEN": token(person)}
    run = CliRunner().invoke
    return await asyncio.to_thread(run, app, [command, *words], env={**environment, "COLUMNS": "200"})


async def done(service: Service, *words: str) -> Result:
    result = await shanliu(service, *words)
    assert result.exit_code == 0, result.output
    return result


async def statement(service: Service, *words: str) -> str:
    """What it told, without the log lines of the service, which runs in the same process."""
    result = await shanliu(service, *words, person="finance", command="statement")
    assert result.exit_code == 0, result.output
    return "".join(line for line in result.stdout.splitlines(keepends=True) if line.startswith((" ", "{")))


async def shown(service: Service, channel: str) -> dict[str, Any]:
    return dict(json.loads((await done(service, "show", channel, "--json")).stdout))


async def test_a_channel_s_life_on_the_command_line(service: Service) -> None:
    name = new_id("ch")
    added = await done(service, "add", name, "--title", "某某平台", "--campaign", "gala", "--limit", "50")
    secret = added.stdout.strip()
    assert secret.startswith("whsec_"), "alone on stdout, for a pipe"
    assert f"intake.{name}" in added.stderr
    assert "gala is not known" in added.stderr
    channel = Channel(service, name, secret)
    assert (await channel.give(a_donation())).status_code == 202

    paused = await done(service, "pause", name, "--reason", "对账不符")
    assert f"not stopped: what lies in intake.{name}" in paused.stderr
    assert (await channel.give(a_donation())).status_code == 503
    assert name in (await done(service, "list")).stdout
    await done(service, "resume", name)

    new = (await done(service, "key", name, "--overlap", "1")).stdout.strip()
    for each in (channel, Channel(service, name, new)):
        assert (await each.give(a_donation())).status_code == 202
    assert "last signing key" not in (await done(service, "revoke", name, "1")).stderr
    assert (await channel.give(a_donation())).status_code == 401

    view = await shown(service, name)
    assert (view["limit_per_second"], view["campaigns"], view["state"]) == (50, ["gala"], "active")
    assert [(key["key_id"], key["counts"]) for key in view["keys"]] == [("2", True), ("1", False)]
    assert [each["what"] for each in reversed(view["changes"])] == [
        "registered",
        "key-added",
        "paused",
        "resumed",
        "key-added",
        "key-revoked",
    ]
    text = (await done(service, "show", name)).stdout
    assert "对账不符" in text
    assert secret not in text
    assert new not in text
    assert "last signing key" in (await done(service, "revoke", name, "2")).stderr


async def test_a_channel_is_changed(service: Service, tmp_path: Path) -> None:
    name, file = new_id("ch"), tmp_path / "settings.json"
    scheme = ("--scheme", "wechatpay", "--settings", WECHAT)
    await done(service, "add", name, "--title", "微信支付", "--contact", "王", "--campaign", "gala", *scheme)
    file.write_text('{"campaign_id": "flood", "mchid": "1900000109"}')
    named = ("--title", "微信大厅", "--limit", "70", "--settings", f"@{file}")
    changed = await done(service, "change", name, *named, "--empty", "campaigns", "--empty", "contact")
    assert '"campaign_id": "flood"' in changed.stdout, "JSON, to be copied"
    view = await shown(service, name)
    assert (view["title"], view["limit_per_second"]) == ("微信大厅", 70)
    assert (view["campaigns"], view["contact"]) == (None, None)
    assert view["settings"]["campaign_id"] == "flood"
    text = (await done(service, "show", name)).stdout
    settings = json.loads(text[text.index("{") : text.index("}") + 1])
    assert settings == view["settings"]


async def test_a_file_from_upload_to_the_books(service: Service, tmp_path: Path) -> None:
    name, file, bad = service.files_channel().name, tmp_path / "账单.csv", tmp_path / "bad.csv"
    await sends_files(service.place, name)
    file.write_bytes(a_file([a_line(), a_line(金额="1,234.56"), a_line(金额="many")]))

    text = await statement(service, "upload", name, str(file))
    assert "3 lines" in text
    assert "2 new, 1,334.56 yuan" in text
    assert "line 4" in text
    number = text.split()[1].rstrip(",")
    assert text == await statement(service, "show", number)
    assert name in await statement(service, "list", "--channel", name)
    await statement(service, "bad-lines", number, "--to", str(bad))
    assert "many" in bad.read_text("utf-8-sig")

    assert "2 sent, 0 were there, 0 refused" in await statement(service, "confirm", number)
    again = json.loads(await statement(service, "upload", name, str(file), "--json"))
    assert (str(again["statement_id"]), again["state"]) == (number, "imported"), "the same file"


async def test_a_file_that_is_not_wanted(service: Service, tmp_path: Path) -> None:
    name, file = service.files_channel().name, tmp_path / "list.csv"
    await sends_files(service.place, name)
    file.write_bytes(a_file([a_line()]))
    number = (await statement(service, "upload", name, str(file))).split()[1].rstrip(",")
    await statement(service, "discard", number)
    assert json.loads(await statement(service, "list", "--channel", name, "--state", "discarded", "--json"))[
        "items"
    ]

    file.write_bytes(b"\x00\x01 no table")
    refused = await shanliu(service, "upload", name, str(file), person="finance", command="statement")
    assert refused.exit_code == 1
    assert "refused" in refused.stdout
    late = await shanliu(service, "confirm", number, person="finance", command="statement")
    assert "It is discarded" in str(late.exception)


async def test_a_company_s_key_is_read_from_a_file(service: Service, tmp_path: Path) -> None:
    name, file = new_id("ch"), tmp_path / "apiv3"
    file.write_text("k" * 32 + "\n")
    scheme = ("--scheme", "wechatpay", "--settings", WECHAT)
    assert (await done(service, "add", name, "--title", "微信支付", *scheme)).stdout == ""
    added = await done(service, "key", name, "--purpose", "apiv3", "--file", str(file))
    assert "kkkk" not in added.output
    assert [key["purpose"] for key in (await shown(service, name))["keys"]] == ["apiv3"]


async def test_a_sandbox_and_a_json_answer(service: Service) -> None:
    name = new_id("ch")
    made = json.loads((await done(service, "add", name, "--title", "x", "--sandbox", "--json")).stdout)
    assert (made["channel"], made["sandbox"], made["topic"]) == (name, True, None)
    assert "sandbox" in (await done(service, "list")).stdout
    listed = json.loads((await done(service, "list", "--json")).stdout)
    assert name in [each["channel"] for each in listed]


@pytest.mark.parametrize(
    ("words", "person", "told"),
    [
        (("show", "nobody"), "admin", "No such channel"),
        (("add", "Bad", "--title", "x"), "admin", "channel"),
        (("add", "bad", "--title", "x", "--settings", "{"), "admin", "--settings"),
        (
            ("add", "bad", "--title", "x", "--scheme", "wechatpay"),
            "admin",
            "campaign_id: is missing; settings.mchid",
        ),
        (("pause", "nobody", "--reason", "x"), "viewer", "administrator"),
        (("change", "nobody"), "admin", "what to change"),
        (("change", "nobody", "--limit", "5"), "admin", "No such channel"),
        (("change", "nobody", "--empty", "title"), "admin", "--empty takes organisation"),
        (("change", "nobody", "--contact", "x", "--empty", "contact"), "admin", "at once"),
        (("change", "nobody", "--settings", "@/nowhere"), "admin", "can't be read"),
        (("list",), "nobody", "token"),
    ],
)
async def test_what_can_not_be_done_is_told_in_one_line(
    service: Service, words: tuple[str, ...], person: str, told: str
) -> None:
    result = await shanliu(service, *words, person=person)
    assert isinstance(result.exception, StackProblem)
    assert told in str(result.exception)
    assert token(person) not in str(result.exception)
