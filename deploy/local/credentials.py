"""The secrets of one local stack: made once, kept in one file that only its owner can read."""

import base64
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.local.layout import DATABASES
from deploy.local.problems import StackProblem
from deploy.verify.reads import PROVED

PEOPLE: Final = {
    "desk.lin": ("desk", "viewer"),
    "finance.chen": ("finance", "viewer"),
    "finance.zhao": ("finance", "viewer"),
    "approver.wang": ("approver", "viewer"),
    "moderator.xu": ("moderator", "viewer"),
    "administrator": ("administrator",),
}
"""Who works on the local stack, and in which roles; two people in finance and an approver, because what one
asks for another has to approve."""

KAFKA_USERS: Final = ("donation", "campaign", "notification", "reporting", "verify", "operations")
"""Who has a user and a password on a cluster's brokers, as deploy/acls.yaml declares."""

CITY: Final = "gusu"
COUNTY: Final = "pingjiang"
PEOPLE_OF: Final = {
    "finance.shen": (CITY, ("finance", "viewer")),
    "approver.lu": (CITY, ("approver", "viewer")),
    "desk.tang": (COUNTY, ("desk", "viewer")),
    "finance.gu": (COUNTY, ("finance", "viewer")),
    "approver.pan": (COUNTY, ("approver", "viewer")),
}
"""Who works for one organisation of the demo alone, in which roles: those of the city may act for the county
below it, those of the county for nothing of the city's."""


def _token() -> str:
    return secrets.token_urlsafe(32)


def _signing_key() -> dict[str, Any]:
    from shared.console_tokens import new_key  # noqa: PLC0415 - 0.3 s that a stack pays once

    return dict(new_key().as_dict(private=True))


class Credentials(BaseModel):
    """What secrets.json holds. A new field gets its value at the next start."""

    model_config = ConfigDict(extra="forbid")

    postgres_admin: str = Field(default_factory=_token)
    databases: dict[str, str] = Field(default_factory=dict)
    readers: dict[str, str] = Field(default_factory=dict)
    """The passwords of the roles that prove the numbers of a service's database, by service."""
    kafka: dict[str, str] = Field(default_factory=dict)
    """The passwords of the brokers' users, by service."""
    channel_key: str = Field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    webhook_key: str = Field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    grafana_admin: str = Field(default_factory=_token)
    """Of containers alone: the local stack has no Grafana."""
    operators: dict[str, str] = Field(default_factory=dict)
    console_key: dict[str, Any] = Field(default_factory=_signing_key)
    """The console's private key, a JWK."""
    channels: dict[str, str] = Field(default_factory=dict)
    """The demo's channels: the secret that each signs with."""

    @classmethod
    def load_or_make(cls, path: Path) -> Self:
        """Read the file, fill in what is missing and write it back. Raises StackProblem when it is broken."""
        try:
            credentials = cls.model_validate_json(path.read_bytes()) if path.exists() else cls()
        except ValidationError as error:
            raise StackProblem(
                f"{path} is damaged. Mend it, or start anew with `shanliu reset` (deletes the data)."
            ) from error
        for service in DATABASES:
            credentials.databases.setdefault(service, _token())
        for service in PROVED:
            credentials.readers.setdefault(service, _token())
        for user in KAFKA_USERS:
            credentials.kafka.setdefault(user, _token())
        for person in (*PEOPLE, *PEOPLE_OF):
            credentials.operators.setdefault(person, _token())
        credentials.save(path)
        return credentials

    def save(self, path: Path) -> None:
        """Write the file whole, mode 0600 from its first byte."""
        write_private(path, self.model_dump_json(indent=2) + "\n")

    def write_console_keys(self, private: Path, public: Path) -> None:
        """Where the console reads its key, and the services its public half."""
        private_parts = {"d"}
        open_half = {name: value for name, value in self.console_key.items() if name not in private_parts}
        write_private(private, json.dumps(self.console_key))
        write_private(public, json.dumps({"keys": [open_half]}))

    def operators_json(self) -> str:
        """The operators as OPERATORS_FILE has them: the tokens' hashes, never the tokens."""
        return json.dumps(
            [
                {
                    "person": person,
                    **_granted(person),
                    "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
                }
                for person, token in self.operators.items()
            ],
            indent=2,
        )


def _granted(person: str) -> dict[str, Any]:
    """What the operators' file says a person may."""
    if person in PEOPLE_OF:
        organisation, roles = PEOPLE_OF[person]
        return {"roles": [], "grants": [{"organisation": organisation, "roles": list(roles)}]}
    return {"roles": list(PEOPLE.get(person, ("viewer",)))}


def write_private(path: Path, text: str) -> None:
    """Replace a file by one with this content that only its owner can read; never half of it."""
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(
        os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    scratch.replace(path)
