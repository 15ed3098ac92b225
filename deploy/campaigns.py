"""`shanliu organisation`, `shanliu campaign`: from a plan to a campaign that donations count for, over the
campaign service's API.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from deploy.asking import address_of, service, token_of
from deploy.local.problems import StackProblem
from deploy.telling import answers, print_json, say

if TYPE_CHECKING:
    from deploy.service_client import ServiceClient

URL: Final = address_of("campaign")

campaign_app = typer.Typer(help="The campaigns (募捐活动) that donations count for.", no_args_is_help=True)
organisation_app = typer.Typer(help="The organisations (慈善会) that raise money.", no_args_is_help=True)
Campaign = Annotated[str, typer.Argument(help="Its id, which donations name.")]


@campaign_app.callback()
@organisation_app.callback()
def of_the_campaign_service(
    context: typer.Context,
    url: Annotated[str | None, URL] = None,
    token: Annotated[str | None, token_of("The person")] = None,
) -> None:
    """Who raises what for, under which filing number (docs/campaigns/)."""
    context.obj = url, token


def _service(context: typer.Context, role: str) -> "ServiceClient":
    return service(context, "campaign", role)


@organisation_app.command("add")
def organisation_add(
    context: typer.Context,
    organisation: Annotated[str, typer.Argument(help="Its id, chosen for good: a-z, 0-9 and . _ -")],
    *,
    name: Annotated[str, typer.Option(help="慈善组织名称, as screens and receipts show it.")],
    name_en: Annotated[str | None, typer.Option(help="The name in English.")] = None,
    licence: Annotated[str | None, typer.Option(help="公开募捐资格证书编号.")] = None,
    parent: Annotated[str | None, typer.Option(help="The organisation above it; without it, on top.")] = None,
) -> None:
    """Register an organisation, as an administrator."""
    given = {"organisation_id": organisation, "name": name, "name_en": name_en, "licence": licence}
    new = {field: value for field, value in {**given, "parent_id": parent}.items() if value is not None}
    _service(context, "administrator").tell("/organisations", new)
    say(f"registered {organisation}")


@campaign_app.command("list")
def campaign_list(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
) -> None:
    """The campaigns and where each stands."""
    desk = _service(context, "desk")
    page = desk.ask("/campaigns", limit=100)
    found = page["items"]
    while page["next"] is not None:
        page = desk.ask("/campaigns", limit=100, after=page["next"])
        found += page["items"]
    if as_json:
        print_json(found)
        return
    table = Table(box=None, padding=(0, 1))
    for column in ("campaign", "title", "state", "filing number"):
        table.add_column(column, no_wrap=column in {"campaign", "state"})
    for each in found:
        number = escape(each["filing_number"] or "")
        table.add_row(each["campaign_id"], escape(each["title"]), each["state"], number)
    answers.print(table)


@campaign_app.command("launch")
def campaign_launch(
    context: typer.Context,
    plan: Annotated[
        Path, typer.Argument(help="The plan with its campaign_id, as one JSON object (docs/campaigns/).")
    ],
    *,
    filing_number: Annotated[
        str | None, typer.Option(help="备案编号; only an emergency appeal may launch without.")
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=3650, help="How long it runs from now, when the plan has no window.")
    ] = 30,
) -> None:
    """Create a campaign from its plan, note its filing number, launch it; what is done already stays."""
    written = _read(plan)
    campaign = str(written["campaign_id"])
    desk = _service(context, "desk")
    now = datetime.now(UTC)
    window = {"window_start": now.isoformat(), "window_end": (now + timedelta(days=days)).isoformat()}
    found = desk.find_one(f"/campaigns/{campaign}")
    if found is None:
        found = desk.tell("/campaigns", window | written)
        say(f"created {campaign}")
    else:
        say(f"{campaign} is there already ({found['state']}); its plan stays as it is")
    if filing_number is not None and found["filing_number"] is None:
        found = desk.tell(f"/campaigns/{campaign}/file", {"filing_number": filing_number})
        say(f"filed under {filing_number}")
    if found["state"] != "launched":
        desk.tell(f"/campaigns/{campaign}/launch", {})
    say(f"{campaign} is launched: donations that name it count")


@campaign_app.command("pause")
def campaign_pause(context: typer.Context, campaign: Campaign) -> None:
    """Have donations held until `resume`."""
    _service(context, "desk").tell(f"/campaigns/{campaign}/pause", {})
    say(f"{campaign} is paused: donations are held")


@campaign_app.command("resume")
def campaign_resume(context: typer.Context, campaign: Campaign) -> None:
    """Let donations count again, those that were held meanwhile too."""
    _service(context, "desk").tell(f"/campaigns/{campaign}/launch", {})
    say(f"{campaign} is launched")


@campaign_app.command("close")
def campaign_close(context: typer.Context, campaign: Campaign) -> None:
    """End a campaign for good; what comes after that is held."""
    _service(context, "desk").tell(f"/campaigns/{campaign}/close", {})
    say(f"{campaign} is closed")


def _read(plan: Path) -> dict[str, Any]:
    try:
        written = json.loads(plan.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StackProblem(f"{plan} can't be read as JSON: {error}") from None
    if not isinstance(written, dict) or "campaign_id" not in written:
        raise StackProblem(f"{plan} is not one JSON object with a campaign_id.")
    return written
