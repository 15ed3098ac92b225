"""`shanliu channel`: the register of channels, over the donation service's API with an operator's token."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from deploy.asking import address_of, service, token_of
from deploy.local.problems import StackProblem
from deploy.telling import answer, answers, print_json, say

if TYPE_CHECKING:
    from deploy.service_client import ServiceClient

SETTINGS_HELP: Final = "The scheme's own, as one JSON object; @FILE reads it from there."
MAY_BE_EMPTY: Final = {"organisation": "organisation_id", "campaigns": "campaigns", "contact": "contact"}

channel_app = typer.Typer(help="The channels that may send donations.", no_args_is_help=True)


@channel_app.callback()
def channel_register(
    context: typer.Context,
    url: Annotated[str | None, address_of("donation")] = None,
    token: Annotated[str | None, token_of("An administrator")] = None,
) -> None:
    """Who may send donations, with which keys and limits."""
    context.obj = url, token


def _register(context: typer.Context) -> "ServiceClient":
    return service(context, "donation", "administrator")


def _settings(given: str) -> Any:
    if given.startswith("@"):
        try:
            given = Path(given[1:]).read_text("utf-8")
        except (OSError, ValueError) as error:
            raise StackProblem(f"--settings can't be read: {error}") from None
    try:
        return json.loads(given)
    except ValueError:
        raise StackProblem("--settings is not JSON.") from None


@channel_app.command("add")
def channel_add(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    channel: Annotated[str, typer.Argument(help="Its name, which also names its topic: a-z, 0-9, -.")],
    *,
    title: Annotated[str, typer.Option(help="What people read, such as 微信支付.")],
    scheme: Annotated[str, typer.Option(help="webhooks, wechatpay, alipay, unionpay, files, kafka.")] = (
        "webhooks"
    ),
    settings: Annotated[str, typer.Option(help=SETTINGS_HELP)] = "{}",
    limit: Annotated[int | None, typer.Option(min=1, help="Messages a second by HTTP.")] = None,
    organisation: Annotated[str | None, typer.Option(help="Whose channel it is.")] = None,
    campaign: Annotated[
        list[str] | None, typer.Option(help="It may give to; again for each. Without it: to all.")
    ] = None,
    contact: Annotated[str | None, typer.Option(help="Whom to call.")] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="For trying out: never any money.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Register a channel; its signing secret is printed this once."""
    new = {"channel": channel, "title": title, "scheme": scheme, "sandbox": sandbox}
    new |= {"settings": _settings(settings)}
    more = {"limit_per_second": limit, "organisation_id": organisation, "campaigns": campaign or None}
    new |= {key: value for key, value in {**more, "contact": contact}.items() if value is not None}
    register = _register(context)
    made = register.tell("/channels", new)
    _warn_of_campaigns(register, made)
    if as_json:
        print_json(made)
        return
    say(f"registered {made['channel']}" + (f", topic {made['topic']}" if made["topic"] else ", a sandbox"))
    _print_secret(made["secret"])


def _warn_of_campaigns(register: "ServiceClient", found: dict[str, Any]) -> None:
    """What of a channel's campaigns is hardly meant. It is no error: a campaign may be announced later."""
    name, campaigns = found["channel"], found["campaigns"]
    if campaigns == []:
        say(f"warning: {name} may give to no campaign; all that it sends is refused or held")
    for each in register.ask(f"/channels/{name}/campaigns") if campaigns else []:
        if each["status"] is None:
            say(
                f"warning: the campaign {each['campaign_id']} is not known to the donation service yet;"
                " what is given to it is held until it is"
            )


@channel_app.command("list")
def channel_list(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
) -> None:
    """All channels and their states."""
    found = _register(context).ask("/channels")
    if as_json:
        print_json(found)
        return
    table = Table(box=None, padding=(0, 1))
    for column in ("channel", "title", "scheme", "state", "a second", "campaigns"):
        # A name is there to be typed: where there is no room, the others give way.
        whole = column in ("channel", "state")
        table.add_column(column, justify="right" if column == "a second" else "left", no_wrap=whole)
    for each in found:
        state_of = "[yellow]paused[/]" if each["state"] == "paused" else "active"
        table.add_row(
            each["channel"],
            escape(each["title"]),
            each["scheme"] + (" (sandbox)" if each["sandbox"] else ""),
            state_of,
            str(each["limit_per_second"]),
            "all" if each["campaigns"] is None else ", ".join(each["campaigns"]) or "none",
        )
    answers.print(table)


@channel_app.command("show")
def channel_show(
    context: typer.Context,
    channel: Annotated[str, typer.Argument(help="Its name.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """A channel, its keys without their secrets, and who changed what lately."""
    register = _register(context)
    found = register.ask(f"/channels/{channel}")
    keys, changes = (
        register.ask(f"/channels/{channel}/keys"),
        register.ask(f"/channels/{channel}/changes?limit=10")["items"],
    )
    if as_json:
        print_json({**found, "keys": keys, "changes": changes})
        return
    _print_channel(found)
    for key in keys:
        until = "ended" if not key["counts"] else f"until {key['valid_until']}" if key["valid_until"] else ""
        named = f"{key['purpose']} {key['key_id']}"
        answer(f"key               {named}, since {key['created_at']} {until}".rstrip())
    for each in changes:
        detail = json.dumps(each["detail"], ensure_ascii=False)
        answer(f"{each['changed_at'][:19]} {each['person']}: {each['what']} {detail}")


def _print_channel(found: dict[str, Any]) -> None:
    """One line for each field; an object as indented JSON, to be copied into `--settings`."""
    for what, value in found.items():
        if isinstance(value, bool):
            lines = ["yes" if value else "no"]
        elif isinstance(value, dict):
            lines = json.dumps(value, ensure_ascii=False, indent=2).splitlines() if value else []
        elif isinstance(value, list):
            lines = [", ".join(value) or "none"]
        else:
            lines = [] if value is None else [str(value)]
        for number, line in enumerate(lines):
            answer(f"{'' if number else what:<17} {line}")


@channel_app.command("change")
def channel_change(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    channel: Annotated[str, typer.Argument(help="Its name.")],
    *,
    title: Annotated[str | None, typer.Option(help="What people read.")] = None,
    settings: Annotated[
        str | None, typer.Option(help=f"{SETTINGS_HELP} It replaces the whole of what `show` shows.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Messages a second by HTTP.")] = None,
    organisation: Annotated[str | None, typer.Option(help="Whose channel it is.")] = None,
    campaign: Annotated[
        list[str] | None, typer.Option(help="It may give to, and to no other; again for each.")
    ] = None,
    contact: Annotated[str | None, typer.Option(help="Whom to call.")] = None,
    empty: Annotated[
        list[str] | None,
        typer.Option(help="organisation, contact, or campaigns: then it may give to all. Again for each."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Change what is named of a channel; it counts within five seconds. Name, scheme and sandbox stay."""
    named = {"title": title, "limit_per_second": limit, "organisation_id": organisation, "contact": contact}
    patch: dict[str, Any] = {field: value for field, value in named.items() if value is not None}
    patch |= {"campaigns": campaign} if campaign else {}
    patch |= {"settings": _settings(settings)} if settings is not None else {}
    for what in empty or []:
        if what not in MAY_BE_EMPTY:
            raise StackProblem(f"--empty takes {', '.join(MAY_BE_EMPTY)}; not {what}.")
        if MAY_BE_EMPTY[what] in patch:
            raise StackProblem(f"{what} can't be given and emptied at once.")
        patch[MAY_BE_EMPTY[what]] = None
    if not patch:
        raise StackProblem("Say what to change: shanliu channel change --help")
    register = _register(context)
    changed = register.change(f"/channels/{channel}", patch)
    _warn_of_campaigns(register, changed)
    if as_json:
        print_json(changed)
        return
    say(f"{channel} is changed (version {changed['version']})")
    _print_channel(changed)


@channel_app.command("pause")
def channel_pause(
    context: typer.Context,
    channel: Annotated[str, typer.Argument(help="Its name.")],
    reason: Annotated[str, typer.Option(help="Stands in the record.")],
) -> None:
    """Answer a channel 503 with Retry-After; what the broker has of it is booked all the same."""
    paused = _register(context).tell(f"/channels/{channel}/pause", {"reason": reason})
    say(f"{channel} is paused: {reason}")
    say("stopped: what it sends by HTTP (503, Retry-After), and the lines of its files, which wait")
    if paused["topic"] is not None:
        say(f"not stopped: what lies in {paused['topic']} is booked or held. One with its own Kafka user")
        say(f"goes on publishing there; what stops that: shanliu channel-access {channel} --revoke")


@channel_app.command("resume")
def channel_resume(
    context: typer.Context,
    channel: Annotated[str, typer.Argument(help="Its name.")],
    reason: Annotated[str | None, typer.Option(help="Stands in the record.")] = None,
) -> None:
    """Let a paused channel in again."""
    _register(context).tell(f"/channels/{channel}/resume", {"reason": reason})
    say(f"{channel} is active")


@channel_app.command("key")
def channel_key(
    context: typer.Context,
    channel: Annotated[str, typer.Argument(help="Its name.")],
    *,
    purpose: Annotated[str, typer.Option(help="signing, platform, apiv3.")] = "signing",
    file: Annotated[
        typer.FileText | None,
        typer.Option(help="A company's key or certificate (PEM), or its APIv3 key; - reads standard input."),
    ] = None,
    key_id: Annotated[str | None, typer.Option(help="The company's own name of the key.")] = None,
    overlap: Annotated[
        int | None,
        typer.Option(min=0, help="Hours that the older keys still count; 24, and a platform's as they are."),
    ] = None,
) -> None:
    """Add a key: a new signing secret, printed this once, or a payment company's from a file."""
    new = {"purpose": purpose, "key_id": key_id, "overlap_hours": overlap}
    new |= {"key": file.read().strip() if file else None}
    made = _register(context).tell(
        f"/channels/{channel}/keys", {key: value for key, value in new.items() if value is not None}
    )
    say(f"{channel} has the {purpose} key {made['key_id']}")
    _print_secret(made["secret"])


@channel_app.command("revoke")
def channel_revoke(
    context: typer.Context,
    channel: Annotated[str, typer.Argument(help="Its name.")],
    key_id: Annotated[str, typer.Argument(help="The key's, as `shanliu channel show` lists it.")],
    purpose: Annotated[str, typer.Option(help="signing, platform, apiv3.")] = "signing",
) -> None:
    """End a key at once: every process refuses it within five seconds."""
    register = _register(context)
    register.drop(f"/channels/{channel}/keys/{purpose}/{key_id}")
    say(f"{channel}: the {purpose} key {key_id} counts no longer")
    left = [key for key in register.ask(f"/channels/{channel}/keys") if key["counts"]]
    if purpose == "signing" and not any(key["purpose"] == "signing" for key in left):
        say(f"warning: that was its last signing key; all that {channel} sends is refused (401) until it has")
        say(f"another: shanliu channel key {channel}")


def _print_secret(secret: str | None) -> None:
    """On stdout alone, so that it can be piped to where it is kept."""
    if secret is not None:
        say("its signing secret, shown this once:")
        sys.stdout.write(secret + "\n")
