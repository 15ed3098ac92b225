"""`shanliu`: the command line of the local stack."""

from shared import loading  # isort: split

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import psutil
import typer
from rich.table import Table

from deploy.campaigns import campaign_app, organisation_app
from deploy.channels import channel_app
from deploy.local import launcher, state
from deploy.local.external import external_kafka, outside, own_broker
from deploy.local.launcher import Progress as Told
from deploy.local.layout import Home, Ports
from deploy.local.problems import NotProved, StackProblem
from deploy.local.processes import LOG_BYTES
from deploy.local.readiness import missing
from deploy.local.services import BY_NAME
from deploy.screens import screen_app
from deploy.statements import statement_app
from deploy.telling import answer, answers, console, say

if TYPE_CHECKING:
    from deploy.access import Role

KAFKA_BYTES: Final = 56_500_000
"""About what the jars of kafka.lock weigh; only the bar's length depends on it."""
PLAIN_STEP: Final = 0.1
TAIL_BYTES: Final = 64_000
VERIFIER_PORT: Final = 8115
"""Where prometheus.local.yml looks for it."""
Scenario = Literal["evening", "year-2023"]

app = typer.Typer(
    help="Shanliu (善流): donations from many channels to the people who must see them at once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
topics_app = typer.Typer(help="The Kafka topics that deploy/topics.yaml declares.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
app.add_typer(organisation_app, name="organisation")
app.add_typer(campaign_app, name="campaign")
app.add_typer(screen_app, name="screen")
app.add_typer(channel_app, name="channel")
account_app = typer.Typer(help="Who may come into the operations console.", no_args_is_help=True)
app.add_typer(account_app, name="account")
app.add_typer(statement_app, name="statement")
rebuild_app = typer.Typer(help="What is counted from the topics, counted again.", no_args_is_help=True)
app.add_typer(rebuild_app, name="rebuild")


def main() -> None:
    """Run a command. What the user can mend is one line and an exit code, without a traceback."""
    loading.done()
    try:
        app()
    except StackProblem as problem:
        console.print(f"shanliu: {problem}", style="red", markup=False, soft_wrap=True)
        raise SystemExit(problem.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


@contextlib.contextmanager
def download_meter(files: int) -> Iterator[Told]:
    """Show the fetching of Kafka: a bar on a terminal, a line for every tenth elsewhere."""
    if not console.is_terminal:
        yield _plain_meter(files)
        return
    from rich.progress import (  # noqa: PLC0415 - once on a machine
        BarColumn,
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TransferSpeedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"  fetching Kafka ({files} files, once)", total=KAFKA_BYTES)
        yield lambda count: progress.advance(task, count)


def _plain_meter(files: int) -> Told:
    say(f"fetching Kafka ({files} files, {KAFKA_BYTES // 1_000_000} MB, once)")
    seen, shown = 0, 0.0

    def told(count: int) -> None:
        nonlocal seen, shown
        seen += count
        if seen / KAFKA_BYTES >= shown + PLAIN_STEP:
            shown = seen / KAFKA_BYTES
            say(f"{seen // 1_000_000} MB")

    return told


# ---------------------------------------------------------------- the stack


@app.command()
def up() -> None:
    """Start Kafka, PostgreSQL, the services and the console in the background; return when all are ready."""
    begun = time.monotonic()
    show_addresses(launcher.up(Home.from_environment(), say, download_meter))
    from deploy.accounts import show_first  # noqa: PLC0415 - needs the services' libraries

    show_first(say)
    say(f"up after {time.monotonic() - begun:.1f} s; `shanliu down` stops everything")


def show_addresses(found: state.State, tell: Callable[[str], None] = say) -> None:
    """Print where a person looks."""
    for what, address in found.addresses.items():
        tell(f"{what:<17} {address}")


@app.command()
def down() -> None:
    """Stop everything that `shanliu up` has started."""
    if not launcher.down(Home.from_environment(), say):
        say("nothing was running")


@app.command()
def restart(
    names: Annotated[
        list[str] | None, typer.Argument(help="Processes, such as donation-worker; all without a name.")
    ] = None,
) -> None:
    """Replace processes one after the other by new ones of the code as it is now, without a break: the old
    one stops when the new one is ready. Migrates their databases first (docs/upgrades.md).
    """
    from deploy.local.restarting import ask  # noqa: PLC0415 - needs pydantic's models

    begun = time.monotonic()
    ask(Home.from_environment(), names or [], say)
    say(f"replaced after {time.monotonic() - begun:.1f} s")


Names = Annotated[list[str], typer.Argument(help="Processes, such as donation donation-worker.")]


@app.command("stop")
def stop_processes(names: Names) -> None:
    """Stop processes until `shanliu start`; all others run on (docs/backup.md)."""
    from deploy.local.restarting import ask  # noqa: PLC0415 - needs pydantic's models

    ask(Home.from_environment(), names, say, "stop")


@app.command("start")
def start_processes(names: Names) -> None:
    """Start processes that `shanliu stop` has stopped, on their migrated databases."""
    from deploy.local.restarting import ask  # noqa: PLC0415 - needs pydantic's models

    ask(Home.from_environment(), names, say, "start")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show every process: does it run, is it ready, how often was it started again. Exit 1 unless all are."""
    home = Home.from_environment()
    found = launcher.running(home)
    rows = [_row(name, process) for name, process in (found.processes if found else {}).items()]
    if found is not None:
        ports = {
            row["name"]: found.ports[BY_NAME[row["name"]].port_name]
            for row in rows
            if row["running"] and row["name"] in BY_NAME
        }
        for name, parts in missing(ports).items():
            next(row for row in rows if row["name"] == name)["missing"] = parts
    healthy = (
        found is not None
        and found.phase == "ready"
        and all(row["running"] and not row["missing"] for row in rows)
    )
    if as_json:
        sys.stdout.write(json.dumps({"phase": found.phase if found else "down", "processes": rows}) + "\n")
    elif found is None:
        say("nothing is running")
        _tell_of_survivors(home)
    else:
        _print_status(found, rows, healthy=healthy)
    if not healthy:
        raise typer.Exit(1)


def _row(name: str, process: state.ProcessState) -> dict[str, Any]:
    living = process.identity.process()
    row: dict[str, Any] = {
        "name": name,
        "pid": process.pid,
        "running": living is not None,
        "stopped": process.stopped,
        "restarts": process.restarts,
        "seconds": round(time.time() - process.started) if living else 0,
        "memory_mb": 0,
        "missing": [],
    }
    with contextlib.suppress(psutil.Error):
        if living:
            row["memory_mb"] = living.memory_info().rss // 1_000_000
    return row


def _print_status(found: state.State, rows: list[dict[str, Any]], *, healthy: bool) -> None:
    title = "not ready" if found.phase == "ready" and not healthy else found.phase
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2))
    for column in ("process", "state", "pid", "up", "MB", "restarts", "misses"):
        table.add_column(column, justify="left" if column in {"process", "state", "misses"} else "right")
    for row in rows:
        table.add_row(
            row["name"],
            "[green]running[/]"
            if row["running"]
            else "[yellow]stopped[/]"
            if row["stopped"]
            else "[red]ended[/]",
            str(row["pid"]),
            str(timedelta(seconds=row["seconds"])),
            str(row["memory_mb"]),
            str(row["restarts"]),
            f"[red]{', '.join(row['missing'])}[/]" if row["missing"] else "",
        )
    answers.print(table)
    show_addresses(found, answer)


def _tell_of_survivors(home: Home) -> None:
    left = state.read(home)
    if left is not None and (survivors := left.survivors()):
        say(f"{len(survivors)} processes are left of a crash; `shanliu down` stops them")


@app.command()
def logs(
    name: Annotated[
        str | None, typer.Argument(help="A process, such as donation-worker; all without it.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, max=10_000, help="How many of the last.")
    ] = 20,
) -> None:
    """Show the last lines of a process's log, or of all logs."""
    known = Home.from_environment().logs_by_name()
    if name is not None and name not in known:
        raise StackProblem(f"No log of {name!r}. There are: {', '.join(known) or 'none yet'}.")
    if not known:
        say(f"there are no logs yet; `shanliu up` writes them into {Home.from_environment().logs}")
    chosen = {name: known[name]} if name is not None else known
    ends = {}
    for one, path in chosen.items():
        ends[one] = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, ends[one] - max(TAIL_BYTES, lines * 1_000)))
            last = file.read().decode("utf-8", "replace").splitlines()[-lines:] if lines else []
        _print_lines(one, last, labelled=len(chosen) > 1)
    while follow:
        time.sleep(0.3)
        for one, path in chosen.items():
            size = path.stat().st_size
            start = ends[one] if size >= ends[one] else 0
            if size > start:
                with path.open("rb") as file:
                    file.seek(start)
                    text = file.read(LOG_BYTES)
                ends[one] = start + len(text)
                _print_lines(one, text.decode("utf-8", "replace").splitlines(), labelled=len(chosen) > 1)


def _print_lines(name: str, lines: list[str], *, labelled: bool) -> None:
    for line in lines:
        sys.stdout.write(f"{name:<17} {line}\n" if labelled else f"{line}\n")
    sys.stdout.flush()


@app.command()
def sql(
    service: Annotated[
        str | None, typer.Argument(help="Whose database, such as donation; the server's own without it.")
    ] = None,
    command: Annotated[str | None, typer.Option("--command", "-c", help="Run this and end.")] = None,
) -> None:
    """Run psql on the local stack's PostgreSQL, as its administrator, who may do everything."""
    from deploy.sql import psql  # noqa: PLC0415 - needs the databases' libraries

    raise typer.Exit(psql(service, command))


@app.command()
def dump(
    service: Annotated[str, typer.Argument(help="Whose database, such as donation.")],
    file: Annotated[Path, typer.Argument(help="Where to; what is there is written over.")],
) -> None:
    """Write one of the local stack's databases into a file while all goes on (docs/backup.md)."""
    from deploy import sql as programs  # noqa: PLC0415 - needs the databases' libraries

    programs.dump(service, file)
    say(f"{service} is in {file} ({file.stat().st_size / 1e6:.1f} MB)")


@app.command()
def load(
    service: Annotated[str, typer.Argument(help="Whose database; its processes are stopped before.")],
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="What `shanliu dump` has written.")
    ],
) -> None:
    """Put a dump in the place of one of the local stack's databases (docs/backup.md)."""
    from deploy import sql as programs  # noqa: PLC0415 - needs the databases' libraries

    programs.load(service, file)
    say(f"{service} is as it was in {file}; before it starts: shanliu restore {service}")


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False) -> None:
    """Delete the data of the local stack: topics, databases, secrets, logs."""
    home = Home.from_environment()
    if launcher.running(home) is not None:
        raise StackProblem("The stack is running. Stop it first: shanliu down")
    if not yes:
        if not sys.stdin.isatty():
            raise StackProblem(f"This deletes all data in {home.root}. Say so: shanliu reset --yes")
        typer.confirm(f"Delete all data in {home.root}?", abort=True, err=True)
    deleted = launcher.reset(home)
    say(f"deleted: {', '.join(path.name for path in deleted)}" if deleted else "nothing to delete")


# ---------------------------------------------------------------- topics


Replication = Annotated[
    int,
    typer.Option(
        envvar="REPLICATION",
        min=-1,
        max=15,
        help="Replicas; -1: the broker's default. From 3 on: what topics.yaml says of a cluster.",
    ),
]
Tiered = Annotated[
    bool, typer.Option("--tiered", envvar="TIERED", help="Old segments elsewhere, where the brokers can.")
]


@topics_app.command("apply")
def topics_apply(
    *,
    bootstrap: Annotated[
        str | None,
        typer.Option(envvar="KAFKA_BOOTSTRAP_SERVERS", help="host:port[,…]; the local one without it."),
    ] = None,
    namespace: Annotated[str, typer.Option(envvar="KAFKA_NAMESPACE", help="Put before each name.")] = "",
    partitions: Annotated[int, typer.Option(envvar="PARTITIONS", min=1, max=1000)] = 4,
    replication: Replication = -1,
    tiered: Tiered = False,
    alter: Annotated[
        bool, typer.Option("--alter", help="Change the configuration of those that differ.")
    ] = False,
) -> None:
    """Make the topics that are missing, compare the others. Exit 1 when one differs."""
    from deploy.local.databases import run  # noqa: PLC0415 - 0.5 s that other commands need not pay
    from deploy.topics import apply_topics  # noqa: PLC0415

    servers = outside(bootstrap) or own_broker()
    applied = run(apply_topics(servers, namespace, partitions, replication, alter=alter, tiered=tiered))
    for name in applied.created:
        say(f"made   {name}")
    for name in applied.present:
        say(f"there  {name}")
    for change in applied.changed:
        say(f"changed  {change}")
    for difference in applied.differences:
        console.print(f"  differs  {difference}", style="red", markup=False)
    if applied.differences:
        raise typer.Exit(1)


@topics_app.command("grow")
def topics_grow(
    partitions: Annotated[int, typer.Argument(min=1, max=1000, help="So many at least.")],
    bootstrap: Annotated[
        str | None,
        typer.Option(envvar="KAFKA_BOOTSTRAP_SERVERS", help="host:port[,…]; the local one without it."),
    ] = None,
    namespace: Annotated[str, typer.Option(envvar="KAFKA_NAMESPACE", help="Put before each name.")] = "",
) -> None:
    """Give the topics of donations more partitions while everything runs (docs/upgrades.md)."""
    from deploy.local.databases import run  # noqa: PLC0415 - 0.5 s that other commands need not pay
    from deploy.topics import grow_topics  # noqa: PLC0415

    servers = outside(bootstrap) or own_broker()
    if not run(grow_topics(servers, namespace, partitions, say=say)):
        say(f"nothing grows: donations have {partitions} partitions or more, and none is ever taken away")


@topics_app.command("copy")
def topics_copy(
    old: Annotated[
        str,
        typer.Argument(
            help="The Kafka that has them: host:port[,…], or the file of `service-access copy-from`."
        ),
    ],
    new: Annotated[
        str, typer.Argument(help="The Kafka that shall have them: the same, or `service-access copy-to`.")
    ],
    namespace: Annotated[str, typer.Option(envvar="KAFKA_NAMESPACE", help="Put before each name.")] = "",
) -> None:
    """Copy every record to its own offset on another Kafka, and each group's place (docs/upgrades.md). Exit 1
    while the old topics have more: copy again.
    """
    from deploy.copying import copy_topics  # noqa: PLC0415 - needs librdkafka, which other commands need not

    copied = copy_topics(old, new, namespace, say)
    say(f"{copied.records:,} records copied")
    if copied.behind:
        say(f"the old topics have {copied.behind:,} offsets more: copy again when nobody writes")
        raise typer.Exit(1)
    say("every partition ends where the old one ends")


# ---------------------------------------------------------------- containers


@app.command("secrets")
def write_secret_files(
    folder: Annotated[Path, typer.Argument(help="Where they lie; only its owner can enter it.")],
    server: Annotated[
        str, typer.Option(help="PostgreSQL, host:port, as the containers see it.")
    ] = "postgres:5432",
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Brokers' users and certificates too; the host at which channels reach the brokers."
        ),
    ] = None,
) -> None:
    """Make the secrets of a set of containers, one a file; those that are there stay."""
    from deploy.secret_files import write_secrets  # noqa: PLC0415 - needs the services' libraries

    say(f"{len(write_secrets(folder, server, cluster=cluster))} files in {folder}")


@app.command()
def certificates(
    folder: Annotated[Path, typer.Argument(help="Where they lie, and the authority that signs them.")],
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=HOST[,HOST]…",
            help="A server and where it is reached; with +client it calls others too;"
            " a name alone is a client's.",
        ),
    ],
    renew: Annotated[
        bool, typer.Option("--renew", help="Make them anew, and not only in their last month.")
    ] = False,
) -> None:
    """Make certificates for what talks to itself: one authority of our own, one PEM file a name."""
    from deploy.certificates import wanted, write_certificates  # noqa: PLC0415 - needs cryptography

    for name, ends in write_certificates(folder, [wanted(each) for each in names], renew=renew).items():
        say(f"{name:<24} until {ends:%Y-%m-%d}")


@app.command()
def prepare(
    partitions: Annotated[int, typer.Option(envvar="PARTITIONS", min=1, max=1000)] = 4,
    replication: Replication = -1,
    tiered: Tiered = False,
) -> None:
    """Make databases and topics on servers of your own before the services start (deploy/compose.yaml)."""
    from deploy.prepare import prepare as make_ready  # noqa: PLC0415 - needs the services' libraries

    make_ready(partitions, say, replication, tiered=tiered)


@app.command("await-schema")
def await_schema(service: Annotated[str, typer.Argument(help="Whose database DATABASE_URL names.")]) -> None:
    """Return when `prepare` has brought a service's database to the version this release needs."""
    from deploy.prepare import await_schema as wait  # noqa: PLC0415 - needs the services' libraries

    wait(service, say)


# ---------------------------------------------------------------- access to Kafka


@app.command("channel-access")
def channel_access(
    channel: Annotated[str, typer.Argument(help="A registered channel.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the access away, at once.")] = False,
) -> None:
    """Let a channel write to its own topic, and nothing else; its new password is shown this once."""
    from deploy.access import channel_role  # noqa: PLC0415 - needs librdkafka, which other commands need not

    _access(channel_role(channel), revoke=revoke, topic=f"intake.{channel}")


@app.command("service-access")
def service_access(
    service: Annotated[str, typer.Argument(help="A service of deploy/acls.yaml.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the access away, at once.")] = False,
) -> None:
    """Give a service its own user on Kafka, with what deploy/acls.yaml grants; the password is shown once."""
    from deploy.access import service_role  # noqa: PLC0415

    _access(service_role(service), revoke=revoke)


def _access(role: "Role", *, revoke: bool, topic: str | None = None) -> None:
    """Done as whom KAFKA_SASL_USERNAME names, or on this machine's own broker by its plain door."""
    from deploy.access import Gatekeeper  # noqa: PLC0415
    from deploy.local.external import kafka_client, namespace  # noqa: PLC0415

    servers = external_kafka() or own_broker()
    asked = kafka_client(servers)
    keeper = Gatekeeper(asked, namespace())
    if revoke:
        say(f"{role.user}: {'access taken away' if keeper.take(role) else 'had no access'}")
        return
    if topic is not None and not keeper.has_topic(topic):
        raise StackProblem(f"There is no topic {topic}. Register the channel first (docs/channels/).")
    access = keeper.give(role)
    say("shown this once; an older password is no longer taken:")
    door = external_kafka() or f"127.0.0.1:{Ports.from_environment().kafka_secured}"
    protocol = "SASL_SSL" if asked.kafka_security_protocol.endswith("SSL") else "SASL_PLAINTEXT"
    sys.stdout.write(
        f"KAFKA_BOOTSTRAP_SERVERS={door}\nKAFKA_SECURITY_PROTOCOL={protocol}\n"
        f"KAFKA_SASL_MECHANISM=SCRAM-SHA-512\n"
        f"KAFKA_SASL_USERNAME={access.user}\nKAFKA_SASL_PASSWORD={access.password}\n"
    )
    if topic is not None:
        sys.stdout.write(f"SHANLIU_TOPIC={namespace()}{topic}\n")
    elif asked.kafka_ssl_cafile is not None:
        sys.stdout.write(f"KAFKA_SSL_CAFILE={asked.kafka_ssl_cafile}\n")


# ---------------------------------------------------------------- accounts

Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        help="viewer, desk, moderator, finance, approver, administrator: everywhere; again for each.",
    ),
]
RolesAt = Annotated[
    list[str] | None,
    typer.Option("--at", help="organisation:role, there and at all below it; again for each."),
]
AccountName = Annotated[str, typer.Argument(help="Their name, which stands on every record.")]


@account_app.command("add")
def account_add(person: AccountName, role: Roles = None, at: RolesAt = None) -> None:
    """Let somebody in by a password, which is printed this once."""
    from deploy.accounts import add  # noqa: PLC0415 - needs the services' libraries

    password = add(person, role or [], at or [])
    say(f"{person} may come in; the password, shown this once:")
    sys.stdout.write(password + "\n")


@account_app.command("list")
def account_list() -> None:
    """All accounts."""
    from deploy.accounts import listed  # noqa: PLC0415

    for account in listed():
        places = [f"{place}:{role}" for place, roles in account.grants.items() for role in sorted(roles)]
        rights = ", ".join([*sorted(account.roles), *places]) or "no role"
        way = "password" if account.password_hash else "provider"
        answer(f"{account.person:<20} {way:<9} {rights}{'  (disabled)' if account.disabled else ''}")


@account_app.command("password")
def account_password(person: AccountName) -> None:
    """A new password, printed this once; the old one ends, with every session."""
    from deploy.accounts import renew  # noqa: PLC0415

    password = renew(person)
    say(f"{person}'s new password, shown this once:")
    sys.stdout.write(password + "\n")


@account_app.command("grant")
def account_grant(person: AccountName, role: Roles = None, at: RolesAt = None) -> None:
    """What somebody may do, instead of what they could; counts from their next request."""
    from deploy.accounts import grant  # noqa: PLC0415

    grant(person, role or [], at or [])
    say(f"{person} has these roles now")


@account_app.command("disable")
def account_disable(person: AccountName) -> None:
    """Keep somebody out, with every session."""
    from deploy.accounts import disable  # noqa: PLC0415

    disable(person, disabled=True)
    say(f"{person} is kept out")


@account_app.command("enable")
def account_enable(person: AccountName) -> None:
    """Let somebody in again."""
    from deploy.accounts import disable  # noqa: PLC0415

    disable(person, disabled=False)
    say(f"{person} may come in again")


# ---------------------------------------------------------------- proof


@app.command()
def verify(
    campaign_id: Annotated[str | None, typer.Argument(help="One campaign; all without it.")] = None,
    wait: Annotated[float, typer.Option(min=0, max=600, help="Seconds for the services to catch up.")] = 10,
    digest: Annotated[
        str | None,
        typer.Option(
            help="Of a number that a screen has shown, eight digits or more: which donations it counted."
        ),
    ] = None,
    ids: Annotated[bool, typer.Option("--ids", help="With --digest: the ids of these donations.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Recompute every campaign's number from the logs, the databases and the screen. Exit 1 unless exact,
    3 when it can't be told.
    """
    from deploy.verify import command  # noqa: PLC0415 - needs the services' libraries

    try:
        if digest is None:
            exact = command.run(campaign_id, wait, as_json=as_json, console=console)
        elif campaign_id is None:
            raise StackProblem("Say whose number it is: shanliu verify CAMPAIGN --digest …")
        else:
            exact = command.run_shown(campaign_id, digest, ids=ids, as_json=as_json, console=console)
    except StackProblem as problem:
        raise NotProved(str(problem)) from problem
    if not exact:
        raise typer.Exit(1)


@rebuild_app.command("reporting")
def rebuild_reporting(
    anew: Annotated[
        bool, typer.Option("--anew", help="Don't go on with a run that ended in the middle.")
    ] = False,
) -> None:
    """Count the totals again from the first event, beside the ones on the screens, and put them in place."""
    from deploy import rebuilding  # noqa: PLC0415 - needs the services' libraries

    found = rebuilding.rebuild_reporting(anew=anew, console=console)
    again = ", taken up where the last run ended" if found.resumed else ""
    say(f"{found.records:,} records in {found.seconds:.1f} s{again}; prove it: shanliu verify")


@app.command()
def verifier(
    every: Annotated[
        float, typer.Option(min=10, max=86_400, help="Seconds from one proof to the next.")
    ] = 3600,
    wait: Annotated[float, typer.Option(min=0, max=600, help="Seconds for the services to catch up.")] = 30,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Of /metrics.")] = VERIFIER_PORT,
    host: Annotated[str, typer.Option(help="Of /metrics; 0.0.0.0 in a container.")] = "127.0.0.1",
) -> None:
    """Prove every number again and again, and tell Prometheus whether all places agree. Ends with Ctrl-C."""
    from deploy.verify.watching import watch  # noqa: PLC0415 - needs the services' libraries

    watch(every, (host, port), wait, say)


@app.command()
def restore(
    service: Annotated[str, typer.Argument(help="donation, campaign, notification or reporting.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
) -> None:
    """After a service's database came back from a backup, before its processes start (docs/backup.md)."""
    from deploy.restoring import restore as bring_back  # noqa: PLC0415 - needs the services' libraries

    for line in bring_back(service, dry_run=dry_run):
        answer(line)


@app.command()
def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="pipeline, http, latency, streams, audience, snapshot, stored, memory, guardrail,"
            " console, catchup, rebuild, reconcile, notices, verify, restart, webhooks; or all."
        ),
    ] = None,
    donations: Annotated[
        int,
        typer.Option(
            min=1_000,
            max=10_000_000,
            help="The goals are of 200,000; some take a multiple: catchup 300,000 then, and stored,"
            " guardrail, console, rebuild and verify 1,000,000.",
        ),
    ] = 200_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure the services against bare loops doing the same writes. Exit 1 when a total is wrong."""
    from deploy.bench.command import BENCHMARKS, run  # noqa: PLC0415 - needs the services' libraries

    for name in names or []:
        if name not in BENCHMARKS:
            raise StackProblem(f"There is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}.")
    if not run(names or [], donations, as_json=as_json, say=say):
        raise typer.Exit(1)


@app.command()
def rehearse(
    *,
    rate: Annotated[int, typer.Option(min=1, max=50_000, help="Donations a second.")] = 2_000,
    minutes: Annotated[float, typer.Option(min=0.05, max=4, help="How long.")] = 2,
    kafka: Annotated[
        float, typer.Option(min=0, max=1, help="The part of them that goes straight into Kafka.")
    ] = 0,
    screens: Annotated[int, typer.Option(min=1, max=5_000, help="Open streams.")] = 50,
    fault: Annotated[
        str,
        typer.Option(
            help="In this order, with commas: kill- or freeze- and a process (kill-broker,freeze-donation)."
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Replay a surge on the running stack, with faults on request. Exit 1 unless all is counted once."""
    from deploy.rehearse import run as play  # noqa: PLC0415 - needs the services' libraries

    if not play(rate, minutes, kafka, screens, fault, as_json=as_json, say=say):
        raise typer.Exit(1)


@app.command()
def republish(
    source: Annotated[
        str | None,
        typer.Argument(
            help="One source, such as intake.wechat/2, or campaign/0, notification/0, receipt/0 of an outbox;"
            " without it every source of every service."
        ),
    ] = None,
    after: Annotated[
        int, typer.Option(min=-1, help="Of one source: only what lies behind this sequence.")
    ] = -1,
) -> None:
    """Send events again from the tables they are made of: heals a gap nothing else can."""
    from deploy.republish import republish as send_again  # noqa: PLC0415 - needs the services' libraries

    say(f"{send_again(source, after, say):,} events sent again; whoever has them skips them")


@app.command()
def token(
    person: Annotated[str | None, typer.Argument(help="Whose token; without a name: who there is.")] = None,
) -> None:
    """The people of this local stack and their bearer tokens, for the pages and APIs that ask for one."""
    from deploy.local.credentials import PEOPLE, PEOPLE_OF, Credentials  # noqa: PLC0415

    if person is None:
        for name, roles in PEOPLE.items():
            answer(f"{name:<16} {', '.join(roles)}")
        for name, (organisation, roles) in PEOPLE_OF.items():
            answer(f"{name:<16} {', '.join(roles)} of {organisation} and what is below it")
        return
    file = Home.from_environment().secrets_file
    if not file.exists():
        raise StackProblem(f"There are no tokens in {file.parent}. Start the stack first: shanliu up")
    found = Credentials.load_or_make(file).operators.get(person)
    if found is None:
        raise StackProblem(f"Nobody is called {person}; `shanliu token` lists who there is.")
    sys.stdout.write(found + "\n")


# ---------------------------------------------------------------- the demo


@app.command()
def demo(
    once: Annotated[
        bool,
        typer.Option("--once", help="Play one evening, prove the numbers, print one JSON object, leave."),
    ] = False,
    donations: Annotated[int, typer.Option(min=20, max=100_000, help="Size of the evening.")] = 400,
    scenario: Annotated[Scenario, typer.Option(help="A gala's evening, or a federation's year.")] = "evening",
    scale: Annotated[
        int, typer.Option(min=1, help="Of the year: person-times that one online donation stands for.")
    ] = 10,
) -> None:
    """Start everything and play a sample evening, or the year 2023; run until Ctrl-C, which stops it all."""
    if scenario == "evening":
        from deploy.demo import run_demo  # noqa: PLC0415 - needs the services' libraries

        raise typer.Exit(run_demo(once=once, donations=donations, say=say, meter=download_meter))
    from deploy.year.command import run_year  # noqa: PLC0415 - the same

    raise typer.Exit(run_year(once=once, scale=scale, say=say, meter=download_meter))


if __name__ == "__main__":
    main()
