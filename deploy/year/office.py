"""The people of the federation, who work through the services' public APIs as everybody else does."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

import httpx

AT_ONCE: Final = 12
"""Commands under way at the same time: enough to keep the campaign service busy, few enough to be served."""
ANSWER_TIMEOUT_S: Final = 30.0
PATIENCE_S: Final = 60.0
"""How long a command that came too early is tried again: balances follow donations by a moment."""
PAUSE_S: Final = 0.3

Role = Literal["desk", "approver", "finance", "administrator"]
Service = Literal["donation", "campaign", "reporting"]
Told = Callable[[str, int, int], None]
"""Told of progress: what, how many are done, of how many."""
Job = TypeVar("Job")


class YearFailed(Exception):
    """Something did not answer as its contract says."""


class Office:
    """Commands and questions by HTTP. `urls` is by service, `tokens` by role: four different persons."""

    def __init__(self, urls: Mapping[str, str], tokens: Mapping[str, str], told: Told) -> None:
        self._urls = urls
        self._tokens = tokens
        self._told = told
        self._http = httpx.AsyncClient(
            timeout=ANSWER_TIMEOUT_S, limits=httpx.Limits(max_connections=2 * AT_ONCE)
        )
        self.commands = 0
        """How many were sent."""

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def command(
        self,
        role: Role,
        path: str,
        body: Mapping[str, Any],
        *,
        version: int | None = None,
        service: Service = "campaign",
    ) -> dict[str, Any]:
        """Send a command as the person with a role, who has seen `version` of what it is about.

        What came too early (409, the balance follows by a moment) is tried again for PATIENCE_S. Raises
        YearFailed.
        """
        headers = {"authorization": f"Bearer {self._tokens[role]}"}
        if version is not None:
            headers["if-match"] = f'"{version}"'
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        while True:
            # A refusal is the answer for ever of its key: a new attempt is a new command.
            headers["idempotency-key"] = uuid.uuid4().hex
            answer = await self._http.post(self._urls[service] + path, json=body, headers=headers)
            self.commands += 1
            if answer.is_success:
                return answer.json()  # type: ignore[no-any-return]
            if not _too_early(answer) or loop.time() > deadline:
                raise YearFailed(f"POST {path}: {answer.status_code} {answer.text[:400]}")
            await asyncio.sleep(PAUSE_S)

    async def read(self, service: Service, path: str, **parameters: str | int) -> dict[str, Any]:
        """What a service says, asked by finance. Raises YearFailed."""
        headers = {"authorization": f"Bearer {self._tokens['finance']}"}
        answer = await self._http.get(self._urls[service] + path, headers=headers, params=parameters)
        if not answer.is_success:
            raise YearFailed(f"GET {path}: {answer.status_code} {answer.text[:400]}")
        return answer.json()  # type: ignore[no-any-return]

    async def eventually(self, service: Service, path: str) -> dict[str, Any]:
        """As `read`, for what follows by a moment: what is not known yet (404) is asked for PATIENCE_S."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        while True:
            try:
                return await self.read(service, path)
            except YearFailed as error:
                if ": 404 " not in str(error) or loop.time() > deadline:
                    raise
                await asyncio.sleep(PAUSE_S)

    async def all(self, service: Service, path: str, **parameters: str | int) -> list[dict[str, Any]]:
        """A whole list, part by part."""
        items: list[dict[str, Any]] = []
        after: dict[str, str | int] = {}
        while True:
            page = await self.read(service, path, limit=200, **parameters, **after)
            items += page["items"]
            if page["next"] is None:
                return items
            after = {"after": page["next"]}

    async def each(self, what: str, jobs: Sequence[Job], work: Callable[[Job], Awaitable[object]]) -> None:
        """Do a piece of work for each job, AT_ONCE at the same time, in their order."""
        left = iter(jobs)
        done = 0
        self._told(what, 0, len(jobs))

        async def hands() -> None:
            nonlocal done
            for job in left:
                await work(job)
                done += 1
                self._told(what, done, len(jobs))

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(hands())


def _too_early(answer: httpx.Response) -> bool:
    """Whether the same command may be right in a moment."""
    if answer.status_code in {429, 503}:
        return True
    return answer.status_code == 409 and "past-fund" in answer.text
