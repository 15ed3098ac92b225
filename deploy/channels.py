"""`shanliu channel`: the register of channels, over the donation service's API with an operator's token."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import httpx

from deploy.local.problems import StackProblem
from deploy.local.running import Running

ANSWER_S: Final = 20.0
"""A registration makes a topic, which takes the broker a second or two."""


@dataclass(frozen=True, slots=True)
class Register:
    """The donation service at `url`, asked by an administrator."""

    url: str
    token: str = field(repr=False)

    @classmethod
    def find(cls, url: str | None, token: str | None) -> Self:
        """The one that was named, or that of the stack that runs here. Raises StackProblem."""
        if url is None:
            stack = Running.find()
            return cls(stack.urls["donation"], token or stack.token("administrator"))
        if token is None:
            raise StackProblem("A service elsewhere needs an administrator's token: OPERATOR_TOKEN=…")
        return cls(url.rstrip("/"), token)

    def ask(self, path: str) -> Any:
        """What is there. Raises StackProblem with the service's own words."""
        return self._send("GET", path)

    def tell(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Have a command done, once, and give back its answer."""
        return dict(self._send("POST", path, body, {"idempotency-key": uuid.uuid4().hex}))

    def drop(self, path: str) -> None:
        """Have something removed."""
        self._send("DELETE", path)

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, more: Mapping[str, str] = {}
    ) -> Any:
        headers = {"authorization": f"Bearer {self.token}", **more}
        url = f"{self.url}/v1/channels{path}"
        try:
            answer = httpx.request(method, url, json=body, headers=headers, timeout=ANSWER_S)
        except httpx.HTTPError as error:
            raise StackProblem(f"The donation service at {self.url} does not answer: {error}") from None
        if not answer.is_success:
            raise StackProblem(_in_words(answer))
        return answer.json() if answer.content else None


def _in_words(answer: httpx.Response) -> str:
    """What a problem document says, with every field; a key that was sent is never part of it."""
    try:
        said = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code} {answer.reason_phrase}"
    named = [f"{each['field']}: {each['message']}" for each in said.get("errors", ())]
    if len(named) > 1:
        return "; ".join(named)
    return str(said.get("detail") or said.get("title") or answer.status_code)
