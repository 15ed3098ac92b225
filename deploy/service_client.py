"""A service's API as the command line asks it: as one person, with problem documents told in words."""

import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any, Final, Self

import httpx

from deploy.local.problems import StackProblem
from deploy.local.running import Running

ANSWER_S: Final = 20.0
"""A registration makes a topic, which takes the broker a second or two."""
UPLOAD_S: Final = 300.0
"""For a file: as long as the service itself waits for one."""


class ServiceRefused(StackProblem):
    """What a service said no to, in its own words."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(_in_words(answer))
        self.status = answer.status_code


@dataclass(frozen=True, slots=True)
class ServiceClient:
    """The service `name` at `url`, asked by whose token it is."""

    name: str
    url: str
    token: str = field(repr=False)

    @classmethod
    def find(cls, name: str, role: str, url: str | None = None, token: str | None = None) -> Self:
        """The one that was named, or that of the stack that runs here, as its person with the role. Raises
        StackProblem.
        """
        if url is None:
            stack = Running.find()
            return cls(name, stack.urls[name], token or stack.token(role))
        if token is None:
            raise StackProblem(f"A service elsewhere needs a token of {role}: OPERATOR_TOKEN=…")
        return cls(name, url.rstrip("/"), token)

    def ask(self, path: str, **query: Any) -> Any:
        """What is there. Raises StackProblem with the service's own words."""
        return self._send("GET", path, params=_given(query)).json()

    def find_one(self, path: str) -> dict[str, Any] | None:
        """What is there; None when there is no such thing."""
        try:
            return dict(self.ask(path))
        except ServiceRefused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def file(self, path: str) -> bytes:
        """A file that is there."""
        return self._send("GET", path).content

    def tell(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Have a command done, once, and give back its answer."""
        return dict(self._send("POST", path, json=body, headers=_once()).json())

    def upload(self, path: str, content: bytes, **query: Any) -> dict[str, Any]:
        """Send a file, once, and give back the answer."""
        answer = self._send(
            "POST", path, content=content, params=query, headers=_once(), timeout=httpx.Timeout(UPLOAD_S)
        )
        return dict(answer.json())

    def change(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change what the body names, and give back what is there then."""
        return dict(self._send("PATCH", path, json=body).json())

    def drop(self, path: str) -> None:
        """Have something removed."""
        self._send("DELETE", path)

    def _send(self, method: str, path: str, headers: Mapping[str, str] = {}, **more: Any) -> httpx.Response:
        known = {"authorization": f"Bearer {self.token}", **headers}
        try:
            answer = httpx.request(
                method,
                f"{self.url}/v1{path}",
                headers=known,
                verify=_trusted(),
                **{"timeout": ANSWER_S, **more},
            )
        except httpx.HTTPError as error:
            raise StackProblem(f"The {self.name} service at {self.url} does not answer: {error}") from None
        if not answer.is_success:
            raise ServiceRefused(answer)
        return answer


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates to trust: reading them takes 20 ms, also where nothing is encrypted."""
    return httpx.create_ssl_context()


def _once() -> dict[str, str]:
    return {"idempotency-key": uuid.uuid4().hex}


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _in_words(answer: httpx.Response) -> str:
    """What a problem document says, with every field; a key that was sent is never part of it."""
    try:
        said = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code} {answer.reason_phrase}"
    named = [f"{each['field']}: {each['message']}" for each in said.get("errors") or ()]
    if len(named) > 1:
        return "; ".join(named)
    return str(said.get("detail") or said.get("title") or answer.status_code)
