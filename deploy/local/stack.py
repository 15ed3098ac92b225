"""The whole system on one machine: what is started in which order, watched, and stopped."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Final

from deploy.local import databases, state
from deploy.local.backoff import Backoff
from deploy.local.credentials import Credentials, write_private
from deploy.local.environment import own_environment, short_lived
from deploy.local.external import external_kafka, external_postgres, namespace
from deploy.local.kafka import LocalKafka
from deploy.local.layout import DATABASES, LOOPBACK, Home, Ports, is_free, require_disk
from deploy.local.nursery import HERE, Nursery, born_or_begun
from deploy.local.postgres import LocalPostgres
from deploy.local.problems import Report, StackProblem
from deploy.local.processes import SOURCE, Begin, Child, Command, Keeper, Stopped, turn_over, wait_until
from deploy.local.roles import migrate_apart
from deploy.local.services import BY_NAME, SERVICES, Services, Wiring
from deploy.topics import apply_topics

PARTITIONS: Final = 4
ROTATE_EVERY_S: Final = 5.0
DISK_WARNING_BYTES: Final = 500_000_000


@dataclass(slots=True)
class Watched:
    """A process that has to run: how to look at it and how to start it again."""

    name: str
    child: Callable[[], Child | None]
    start: Callable[[], None]
    may_start: Callable[[], bool] = lambda: True
    """False while something it needs is away: it would only end again, and wait longer each time."""
    backoff: Backoff = field(default_factory=Backoff)


class Stack:
    """Everything that `shanliu up` starts. One thread uses it; start() can be ended by `stop_asked`."""

    def __init__(self, home: Home, ports: Ports, report: Report, stop_asked: Event) -> None:
        self._home = home
        self._ports = ports
        self._report = report
        self._stop_asked = stop_asked
        self._keeper = Keeper(home.logs / "keeper.log")
        self._credentials = Credentials.load_or_make(home.secrets_file)
        write_private(home.operators_file, self._credentials.operators_json())
        self._credentials.write_console_keys(home.console_key_file, home.console_public_file)
        self._kafka = self._local_kafka()
        self._postgres = self._local_postgres()
        self._services: Services | None = None
        self._mail: Child | None = None
        self._nursery: Nursery | None = None
        self._watched: list[Watched] = []
        self._stopped: set[str] = set()
        """By somebody: not to be started again by itself."""
        self._rotated_at = time.monotonic()

    def _local_kafka(self) -> LocalKafka | None:
        if external_kafka():
            return None
        return LocalKafka(
            self._home.kafka,
            port=self._ports.kafka,
            controller_port=self._ports.kafka_controller,
            secured_port=self._ports.kafka_secured,
            log=self._home.logs / "kafka.log",
            keeper=self._keeper,
            short_lived=short_lived(),
        )

    def _local_postgres(self) -> LocalPostgres | None:
        if external_postgres():
            return None
        return LocalPostgres(
            self._home.postgres,
            port=self._ports.postgres,
            admin_password=self._credentials.postgres_admin,
            log=self._home.logs / "postgres.log",
            keeper=self._keeper,
            short_lived=short_lived(),
        )

    @property
    def bootstrap(self) -> str:
        """Kafka's address."""
        return self._kafka.bootstrap if self._kafka else external_kafka() or ""

    # ------------------------------------------------------------ start

    def start(self) -> None:
        """Bring everything up, each part healthy before what needs it. Raises StackProblem, Stopped."""
        with ThreadPoolExecutor(1) as pool:
            # The broker's first seconds are its own: the databases are made meanwhile.
            broker = pool.submit(self._launch_kafka)
            urls = self._start_postgres()
            broker.result()
        self._start_kafka()
        self._start_services(self._wiring(urls))

    def _launch_kafka(self) -> None:
        if self._kafka is not None:
            self._kafka.launch()

    def _start_postgres(self) -> dict[str, str]:
        begun = time.monotonic()
        if (server := self._postgres) is not None:
            server.start(stop=self._stop_asked)
            self._watch("postgres", lambda: server.child, server.launch)
            admin = server.admin_url
            urls = server.create_service_databases(passwords=self._credentials.databases)
            self._say(f"PostgreSQL {server.version} on port {server.port}", begun)
        else:
            admin = external_postgres() or ""
            urls = databases.create_service_databases(admin, passwords=self._credentials.databases)
            self._say("PostgreSQL as DATABASE_URL says", begun)
        begun = time.monotonic()
        self._nursery = Nursery() if HERE else None
        for service in DATABASES:
            self._check_stop()
            databases.run(migrate_apart(admin, urls[service], f"services.{service}"))
        self._say("databases migrated", begun)
        return urls

    def _start_kafka(self) -> None:
        begun = time.monotonic()
        if (broker := self._kafka) is not None:
            broker.wait_ready(stop=self._stop_asked)
            self._watch("kafka", lambda: broker.child, broker.launch)
            self._say(f"Kafka on port {broker.port}", begun)
        begun = time.monotonic()
        # A broker of our own follows the declaration; on another one its people decide.
        alter = self._kafka is not None
        applied = databases.run(apply_topics(self.bootstrap, namespace(), PARTITIONS, alter=alter))
        self._say(f"topics: {len(applied.created)} made, {len(applied.present)} there", begun)
        for change in applied.changed:
            self._report(f"changed: {change}")
        for difference in applied.differences:
            self._report(f"warning: {difference}")

    def _wiring(self, urls: dict[str, str]) -> Wiring:
        return Wiring(
            kafka=self.bootstrap,
            databases=urls,
            ports=self._ports.named(),
            operators_file=self._home.operators_file,
            channel_key=self._credentials.channel_key,
            webhook_key=self._credentials.webhook_key,
            smtp_port=self._ports.smtp,
            console_key_file=self._home.console_key_file,
            console_public_file=self._home.console_public_file,
            namespace=namespace(),
            partitions=PARTITIONS,
        )

    def _start_services(self, wiring: Wiring) -> None:
        begun = time.monotonic()
        self._services = services = Services(wiring, self._home.logs, self._keeper)
        how = partial(born_or_begun, self._nursery) if self._nursery else None
        self._start_mail(how)
        self._watch("mail", lambda: self._mail, self._start_mail)
        services.start(how=how)
        for service in SERVICES:
            self._watch_service(services, service.name)
        services.wait_ready(stop=self._stop_asked)
        wait_until(lambda: not is_free(self._ports.mail), 20, self._stop_asked)
        self._say(f"{len(SERVICES)} service processes ready", begun)

    def _start_mail(self, how: Begin | None = None) -> None:
        ports = ["--smtp-port", str(self._ports.smtp), "--http-port", str(self._ports.mail)]
        self._mail = Child(
            Command(
                name="mail",
                argv=[sys.executable, "-m", "deploy.local.mailcatcher", *ports],
                environment={**own_environment(), "PYTHONPATH": str(SOURCE)},
                stop_s=5,
            ),
            self._home.logs / "mail.log",
            self._keeper,
            how,
        )

    def _watch_service(self, services: Services, name: str) -> None:
        self._watch(
            name, lambda: services.children.get(name), lambda: services.start([name]), self._servers_answer
        )

    def _servers_answer(self) -> bool:
        """True when the broker and the database that are ours take requests."""
        return (self._kafka is None or self._kafka.answers()) and (
            self._postgres is None or self._postgres.answers()
        )

    def _watch(
        self,
        name: str,
        child: Callable[[], Child | None],
        start: Callable[[], None],
        may_start: Callable[[], bool] = lambda: True,
    ) -> None:
        watched = Watched(name, child, start, may_start)
        watched.backoff.started_at = time.monotonic()
        self._watched.append(watched)

    def _say(self, what: str, begun: float) -> None:
        self._report(f"{what} ({time.monotonic() - begun:.1f} s)")

    def _check_stop(self) -> None:
        if self._stop_asked.is_set():
            raise Stopped

    # ------------------------------------------------------------ watch

    def tend(self) -> bool:
        """Start again what has ended, turn over the logs; True when something changed."""
        changes = [self._tend_one(watched) for watched in self._watched]
        if time.monotonic() - self._rotated_at > ROTATE_EVERY_S:
            self._rotated_at = time.monotonic()
            for log in self._home.logs.glob("*.log"):
                turn_over(log)
        return any(changes)

    def _tend_one(self, watched: Watched) -> bool:
        child, now = watched.child(), time.monotonic()
        if watched.name in self._stopped or (child is not None and child.running):
            return False
        if watched.backoff.due_at is None:
            pause_s = watched.backoff.ended(now)
            code = child.exit_code if child else None
            if child is not None:
                child.ended()
            self._report(f"{watched.name} ended (exit code {code}); it is started again in {pause_s:.1f} s")
            return True
        if not watched.backoff.due(now) or not watched.may_start():
            return False
        try:
            require_disk(self._home.root, DISK_WARNING_BYTES)
            watched.start()
        except StackProblem as problem:
            pause_s = watched.backoff.ended(now)
            self._report(f"{watched.name} can't be started: {problem} Next try in {pause_s:.1f} s")
            return True
        watched.backoff.started(now)
        self._report(f"{watched.name} was started again")
        return True

    # ------------------------------------------------------------ replace

    def migrating(self, names: Iterable[str]) -> Iterator[None]:
        """Bring the databases of processes to what the code now wants, each once. Yields while it waits.
        Raises StackProblem.
        """
        assert self._services is not None, "a stack that is not started has nothing to migrate"
        for name in {BY_NAME[name].database: name for name in names}.values():
            yield from self._services.migrating(name, self._admin_url)

    def replacing(self, name: str) -> Iterator[None]:
        """Put a new process beside the old one, on the migrated database, and let the old one go. Yields
        while it waits. Raises StackProblem; the old one goes on then.
        """
        assert self._services is not None, "a stack that is not started has nothing to replace"
        yield from self._services.replacing(name)
        self._stopped.discard(name)

    def stopping(self, name: str) -> Iterator[None]:
        """Stop a process, which is not started again by itself. Yields while it waits."""
        assert self._services is not None, "a stack that is not started has nothing to stop"
        self._stopped.add(name)
        yield from self._services.leaving(name)

    def starting(self, name: str) -> Iterator[None]:
        """Start a process that was stopped, on its migrated database. Yields while it waits. Raises
        StackProblem when it isn't ready in time; it is tended from then on.
        """
        assert self._services is not None, "a stack that is not started has nothing to start"
        for watched in self._watched:
            if watched.name == name:
                watched.backoff = Backoff(started_at=time.monotonic(), restarts=watched.backoff.restarts)
        self._stopped.discard(name)
        yield from self._services.coming(name)

    @property
    def _admin_url(self) -> str:
        return self._postgres.admin_url if self._postgres else external_postgres() or ""

    def describe(self, into: state.State) -> None:
        """Write what runs into the state."""
        into.kafka = self.bootstrap
        into.namespace = namespace()
        keeper = self._keeper.identity
        into.keeper = state.state_of(keeper) if keeper else None
        into.addresses = self.addresses() if self._services else {}
        for name, child, restarts in self._children():
            into.processes[name] = state.state_of(
                child.identity, running=child.running, restarts=restarts, stopped=name in self._stopped
            )

    def _children(self) -> list[tuple[str, Child, int]]:
        """Every process, also those that are started but not yet watched."""
        restarts = {watched.name: watched.backoff.restarts for watched in self._watched}
        found = {watched.name: watched.child() for watched in self._watched}
        found |= {"postgres": self._postgres.child if self._postgres else None}
        found |= {"kafka": self._kafka.child if self._kafka else None}
        return [(name, child, restarts.get(name, 0)) for name, child in found.items() if child is not None]

    def addresses(self) -> dict[str, str]:
        """Where a person looks, by what is seen there."""
        at = f"http://{LOOPBACK}"
        return {
            "console": f"{at}:{self._ports.console}/",
            "screens": f"{at}:{self._ports.reporting}/",
            "mail": f"{at}:{self._ports.mail}/",
            "donation API": f"{at}:{self._ports.donation}",
            "campaign API": f"{at}:{self._ports.campaign}",
            "notification API": f"{at}:{self._ports.notification}",
            "reporting API": f"{at}:{self._ports.reporting}",
        }

    # ------------------------------------------------------------ stop

    def stop(self) -> None:
        """Stop everything we started: the services, then PostgreSQL, then Kafka; 15 s at most for each."""
        begun = time.monotonic()
        if self._services is not None:
            for name in self._services.stop():
                self._report(f"{name} did not stop within 15 s and was killed")
        if self._mail is not None:
            self._mail.stop()
        if self._postgres is not None:
            self._postgres.stop()
        if self._kafka is not None:
            self._kafka.stop()
        if self._nursery is not None:
            self._nursery.close()
        self._keeper.close()
        self._say("everything is stopped", begun)
