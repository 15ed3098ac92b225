"""`shanliu screen`: the register of screens and what is on air there, over the reporting service's API."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from deploy.asking import address_of, service, token_of
from deploy.telling import answer, answers, print_json, say
from shared.money import format_yuan

if TYPE_CHECKING:
    from deploy.service_client import ServiceClient

URL: Final = address_of("reporting")

screen_app = typer.Typer(help="The screens, their links, and what is on air.", no_args_is_help=True)
Screen = Annotated[str, typer.Argument(help="Its id.")]
Why = Annotated[str, typer.Option("--reason", help="For the record.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@screen_app.callback()
def of_the_reporting_service(
    context: typer.Context,
    url: Annotated[str | None, URL] = None,
    token: Annotated[str | None, token_of("The person")] = None,
) -> None:
    """What each screen shows, and who decided it (docs/decisions/0030-screens-on-air.md)."""
    context.obj = url, token


def _service(context: typer.Context) -> "ServiceClient":
    return service(context, "reporting", "desk")


@screen_app.command("add")
def screen_add(
    context: typer.Context,
    screen: Annotated[str, typer.Argument(help="Its id, chosen for good: a-z, 0-9, -.")],
    *,
    campaign: Annotated[str, typer.Option(help="Whose number it shows, for good.")],
    title: Annotated[str, typer.Option(help="What people call it, such as 主会场大屏.")],
    layout: Annotated[str, typer.Option(help="hall, wide, lower or phone.")] = "hall",
    policy: Annotated[
        str, typer.Option(help="A reversal: at_once, or held to the next segment.")
    ] = "at_once",
) -> None:
    """Register a screen; its link is printed this once."""
    service = _service(context)
    new = {"screen_id": screen, "campaign_id": campaign, "title": title, "layout": layout, "policy": policy}
    made = service.tell("/screens", new)
    say(f"registered {screen}; whoever has this link sees it:")
    answer(f"{service.url}{made['link']}")


@screen_app.command("list")
def screen_list(context: typer.Context, *, as_json: AsJson = False) -> None:
    """All screens and what they show."""
    found = _service(context).ask("/screens")["screens"]
    if as_json:
        print_json(found)
        return
    table = Table(box=None, padding=(0, 1))
    for column in ("screen", "title", "campaign", "on air", "shows ¥", "version", "seen"):
        right = column in ("shows ¥", "version")
        table.add_column(column, justify="right" if right else "left", no_wrap=column == "screen")
    for each in found:
        shown = each["shown"] or {}
        table.add_row(
            each["screen_id"],
            escape(each["title"]),
            each["campaign_id"],
            _air_of(each),
            format_yuan(shown["net_fen"]) if shown else "",
            str(shown.get("version", "")),
            (each["seen_at"] or "never")[:19] if each["linked"] else "no link",
        )
    answers.print(table)


def _air_of(screen: dict[str, Any]) -> str:
    words = [screen["control"]]
    words += ["rehearsal"] if screen["rehearsal"] else []
    words += ["a reversal is held"] if screen["pending"] else []
    return ", ".join(words)


def _decide(action: str, context: typer.Context, screen: str, reason: str) -> None:
    decided = _service(context).tell(f"/screens/{screen}/air", {"action": action, "reason": reason})
    shown = decided["shown"]
    number = f", {format_yuan(shown['net_fen'])} yuan at version {shown['version']}" if shown else ""
    say(f"{screen}: {_air_of(decided)}{number}")


@screen_app.command("freeze")
def screen_freeze(context: typer.Context, screen: Screen, reason: Why) -> None:
    """The number stays as it is now."""
    _decide("freeze", context, screen, reason)


@screen_app.command("hide")
def screen_hide(context: typer.Context, screen: Screen, reason: Why) -> None:
    """The title alone."""
    _decide("hide", context, screen, reason)


@screen_app.command("live")
def screen_live(context: typer.Context, screen: Screen, reason: Why) -> None:
    """Back to the campaign's number."""
    _decide("live", context, screen, reason)


@screen_app.command("segment")
def screen_segment(context: typer.Context, screen: Screen, reason: Why) -> None:
    """Open the next segment: what a reversal has lowered is shown from now on."""
    _decide("segment", context, screen, reason)


@screen_app.command("rehearse")
def screen_rehearse(
    context: typer.Context,
    screen: Screen,
    reason: Why,
    *,
    end: Annotated[bool, typer.Option("--end", help="Back to the campaign's own number.")] = False,
) -> None:
    """Sample numbers, marked all over the screen."""
    _decide("end_rehearsal" if end else "rehearse", context, screen, reason)


@screen_app.command("link")
def screen_link(context: typer.Context, screen: Screen, reason: Why) -> None:
    """Another link, printed this once; the old one ends within seconds."""
    service = _service(context)
    made = service.tell(f"/screens/{screen}/link", {"reason": reason})
    answer(f"{service.url}{made['link']}")


@screen_app.command("revoke")
def screen_revoke(context: typer.Context, screen: Screen, reason: Why) -> None:
    """No link any more; whoever has it open is cut off within seconds."""
    _service(context).tell(f"/screens/{screen}/revoke", {"reason": reason})
    say(f"{screen} has no link")
