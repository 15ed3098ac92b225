"""`shanliu statement`: files of platforms and banks, over the donation service's API as one of finance."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from deploy.asking import address_of, service, token_of
from deploy.local.problems import StackProblem
from deploy.telling import answer, answers, console, print_json, say
from shared.money import format_yuan

if TYPE_CHECKING:
    from deploy.service_client import ServiceClient

LOOK_S: Final = 0.3
WAIT_S: Final = 600
"""A file of 100,000 lines is checked within 40 s; what takes longer than this is looked at again later."""
LINE_MAX: Final = 1_000
FILE_WIDTH: Final = 24
"""Columns of a list; a longer name goes on in the next line."""
WORDS: Final = {
    "uploaded": "waits to be checked",
    "checked": "checked: confirm or discard it",
    "importing": "is being imported",
    "imported": "imported",
    "refused": "can't be read",
    "discarded": "discarded",
}

statement_app = typer.Typer(
    help="Files (账单) that a channel of the scheme files sends.", no_args_is_help=True
)
Number = Annotated[int, typer.Argument(min=1, help="The statement's number.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Until it is done, or come back at once.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@statement_app.callback()
def statements(
    context: typer.Context,
    url: Annotated[str | None, address_of("donation")] = None,
    token: Annotated[str | None, token_of("A finance officer")] = None,
) -> None:
    """Upload a file, look at what it comes to, and confirm it: each line counts once (docs/statements/)."""
    context.obj = url, token


def _donation(context: typer.Context) -> "ServiceClient":
    return service(context, "donation", "finance")


@statement_app.command("upload")
def statement_upload(
    context: typer.Context,
    channel: Annotated[str, typer.Argument(help="Whose file it is.")],
    file: Annotated[Path, typer.Argument(help="CSV, XLSX or camt.053, at most 50 MiB.")],
    *,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Send a file to be checked, and show what confirming it would do. Exit 1 when it can't be read."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise StackProblem(f"{file} can't be read: {error.strerror}.") from None
    donation = _donation(context)
    found = donation.upload("/statements", content, channel=channel, file_name=file.name)
    _show(_settled(donation, found, "uploaded", wait=wait), as_json=as_json)


@statement_app.command("list")
def statement_list(
    context: typer.Context,
    *,
    channel: Annotated[str | None, typer.Option(help="Only this channel's.")] = None,
    state: Annotated[str | None, typer.Option(help=f"Only those that are {', '.join(WORDS)}.")] = None,
    before: Annotated[int | None, typer.Option(min=1, help="Only older ones than this number.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The statements, the newest first."""
    asked = {"channel": channel, "state": state, "before": before, "limit": limit}
    found = _donation(context).ask("/statements", **asked)
    if as_json:
        print_json(found)
        return
    table = Table(box=None, padding=(0, 1))
    for column in ("number", "channel", "file", "state", "donations", "yuan", "bad", "uploaded (UTC)"):
        right = column in {"number", "donations", "yuan", "bad"}
        table.add_column(
            column, justify="right" if right else "left", no_wrap=column != "file", overflow="fold"
        )
    table.columns[2].max_width = FILE_WIDTH
    for each in found["items"]:
        preview = each["preview"]
        new = preview["donations"] if preview else None
        table.add_row(
            str(each["statement_id"]),
            each["channel"],
            escape(each["file_name"]),
            each["state"],
            str(new["count"]) if new else "",
            format_yuan(new["amount_fen"]) if new else "",
            str(preview["bad"]) if preview else "",
            each["uploaded_at"][:16].replace("T", " "),
        )
    # A number or a name that is cut is a wrong one: rather a line that is longer than the terminal.
    whole = answers.measure(table, options=answers.options.update(width=LINE_MAX)).maximum
    answers.width = max(answers.width, whole)
    answers.print(table)
    if found["next"] is not None:
        say(f"older ones: --before {found['next']}")


@statement_app.command("show")
def statement_show(context: typer.Context, number: Number, as_json: AsJson = False) -> None:
    """What a file comes to, which lines are bad and why, and how far it is."""
    _show(_donation(context).ask(f"/statements/{number}"), as_json=as_json)


@statement_app.command("bad-lines")
def statement_bad_lines(
    context: typer.Context,
    number: Number,
    to: Annotated[Path | None, typer.Option(help="A new file; standard output without it.")] = None,
) -> None:
    """Its bad lines with their reasons, as CSV: mend them, and upload that file."""
    content = _donation(context).file(f"/statements/{number}/bad-lines")
    if to is None:
        sys.stdout.buffer.write(content)
        return
    try:
        with to.open("xb") as new:
            new.write(content)
    except OSError as error:
        raise StackProblem(f"{to} can't be written: {error.strerror}.") from None
    say(f"{to}: mend the lines, then shanliu statement upload")


@statement_app.command("confirm")
def statement_confirm(
    context: typer.Context, number: Number, *, wait: Wait = True, as_json: AsJson = False
) -> None:
    """Import a checked statement: its good lines go to the books, each once."""
    donation = _donation(context)
    found = donation.tell(f"/statements/{number}/confirm")
    _show(_settled(donation, found, "importing", wait=wait), as_json=as_json)


@statement_app.command("discard")
def statement_discard(context: typer.Context, number: Number, as_json: AsJson = False) -> None:
    """Refuse a statement that is not confirmed yet: nothing of it is imported, its file is deleted."""
    found = _donation(context).tell(f"/statements/{number}/discard")
    if as_json:
        print_json(found)
    else:
        say(f"statement {number} is discarded")


def _settled(
    donation: "ServiceClient", found: dict[str, Any], under_way: str, *, wait: bool
) -> dict[str, Any]:
    """The statement as soon as it is no longer `under_way`, or as it is after WAIT_S."""
    end_s = time.monotonic() + WAIT_S
    while wait and found["state"] == under_way and time.monotonic() < end_s:
        time.sleep(LOOK_S)
        found = donation.ask(f"/statements/{found['statement_id']}")
    return found


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        _print_statement(found)
    if found["state"] == "refused":
        raise typer.Exit(1)


def _print_statement(found: dict[str, Any]) -> None:
    answer(f"{'statement':<17} {found['statement_id']}, {found['channel']}, {found['file_name']}")
    answer(f"{'state':<17} {found['state']}: {found['reason'] or WORDS[found['state']]}")
    if found["preview"] is not None:
        _print_preview(found["preview"])
    if found["outcome"] is not None:
        done = found["outcome"]
        answer(f"{'imported':<17} {done['sent']} sent, {done['known']} were there, {done['refused']} refused")
        _print_bad(done["refused_lines"], done["refused"])


def _print_preview(preview: dict[str, Any]) -> None:
    others = {"known": "in the books already", "repeated": "twice in the file", "passed_over": "passed over"}
    counts = [f"{preview['lines']} lines", *(f"{preview[key]} {text}" for key, text in others.items())]
    answer(f"{'file':<17} {', '.join(counts)}, {preview['bad']} bad")
    for what in ("donations", "reversals"):
        answer(f"{what:<17} {preview[what]['count']} new, {format_yuan(preview[what]['amount_fen'])} yuan")
    for campaign, new in preview["campaigns"].items():
        answer(f"  {campaign:<15} {new['count']}, {format_yuan(new['amount_fen'])} yuan")
    if preview["first_at"] is not None:
        answer(f"{'from, to':<17} {preview['first_at']}, {preview['last_at']}")
    _print_bad(preview["bad_lines"], preview["bad"])
    for warning in preview["warnings"]:
        console.print(f"  {'look at':<17} {warning}", style="yellow", markup=False, soft_wrap=True)
    if preview["notice_lines"]:
        answer(f"{'lines to look at':<17} {', '.join(map(str, preview['notice_lines']))}")


def _print_bad(lines: list[dict[str, Any]], count: int) -> None:
    for each in lines:
        answer(f"{'line ' + str(each['line']):<17} {'; '.join(each['reasons'])}")
    if count > len(lines):
        answer(f"{'':<17} and {count - len(lines)} more: shanliu statement bad-lines")
