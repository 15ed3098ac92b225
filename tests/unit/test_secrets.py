"""No secret lies in the tree or in its history, and no path of anybody's machine.

The patterns are detect-secrets', run over whole texts: its own scan, line by line with entropy and keywords,
took a minute and found nothing but fixtures. What a pattern finds and a person has looked at stands in
REVIEWED.
"""

import importlib
import inspect
import pkgutil
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

import detect_secrets.plugins
import pytest
from detect_secrets.plugins.base import RegexBasedDetector

ROOT: Final = Path(__file__).resolve().parents[2]
UNUSED: Final = {"Public IP (ipv4)", "IBM Cloud IAM Key", "IBM COS HMAC Credentials", "SoftLayer Credentials"}
"""Addresses are no secrets, and the others' patterns take longer than all the rest."""
OURS: Final = (
    ("Standard Webhooks secret", re.compile(r"whsec_[A-Za-z0-9+/]{20,}={0,2}")),
    ("Secret in a database URL", re.compile(r"postgres(?:ql)?(?:\+\w+)?://\w+:[A-Za-z0-9_-]{16,}@")),
)
REVIEWED: Final = {
    "://nobody:nothing@",
    "://nobody:secret@",
    "://nobody:x@",
    "://a:b@",
    "://user:password@",
    "://user:secret@",
    "://{ADMIN}:{credentials.postgres_admin}@",
    "://{ADMIN}:{self._password}@",
}
"""Examples, and texts that are filled in at run time."""
MACHINE: Final = re.compile(r"(?<![\w./-])/(?:home|Users|root)/[A-Za-z][\w.-]*")
GIT_S: Final = 60


@cache
def patterns() -> list[tuple[str, re.Pattern[str]]]:
    """What is looked for, by the kind of secret."""
    found: list[tuple[str, re.Pattern[str]]] = list(OURS)
    for module in pkgutil.iter_modules(detect_secrets.plugins.__path__):
        loaded = importlib.import_module(f"detect_secrets.plugins.{module.name}")
        for _, plugin in inspect.getmembers(loaded, inspect.isclass):
            if plugin.__module__ != loaded.__name__ or inspect.isabstract(plugin):
                continue
            if issubclass(plugin, RegexBasedDetector):
                detector: RegexBasedDetector = plugin()
                kind = str(detector.secret_type)
                found += [(kind, each) for each in detector.denylist if kind not in UNUSED]
    return found


def secrets_in(text: str) -> set[tuple[str, str]]:
    """(kind, its first 24 characters) of what looks like a secret and was not reviewed."""
    found = {(kind, each.group(0)) for kind, pattern in patterns() for each in pattern.finditer(text)}
    return {(kind, said[:24]) for kind, said in found if said not in REVIEWED}


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True, timeout=GIT_S)
    return done.stdout.decode("utf-8", "replace")


@cache
def tracked() -> dict[str, str]:
    """The texts of the tree, by their paths."""
    texts = {}
    for name in git("ls-files", "-z").split("\0"):
        path = ROOT / name
        if name and path.is_file() and b"\0" not in (content := path.read_bytes()):
            texts[name] = content.decode("utf-8", "replace")
    return texts


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "Q" * 16,
        "-----BEGIN " + "RSA PRIVATE KEY-----",
        "ghp_" + "a1" * 18,
        "whsec_" + "a1B2" * 8,
        "postgresql+asyncpg://shanliu:" + "k3" * 16 + "@127.0.0.1/shanliu",
        "https://someone:" + "pass" + "word@example.org/",
    ],
    ids=["aws", "private key", "github", "webhook", "database", "basic auth"],
)
def test_a_secret_would_be_found(secret: str) -> None:
    assert secrets_in(f"a line before\nsaid = '{secret}'\n")


def test_no_file_has_a_secret() -> None:
    assert len(patterns()) > 20
    assert {name: found for name, text in tracked().items() if (found := secrets_in(text))} == {}


def test_nothing_that_was_ever_committed_is_a_secret() -> None:
    """What is taken out again is still there for whoever has the history. Most of it is in the tree as well,
    which the test above looks through; what is committed with a line before it was added as well.
    """
    written = git("log", "-p", "--unified=0", "--no-color", "--no-ext-diff").splitlines()
    told = {line.removeprefix("+") for line in written if not line.startswith("-")}
    assert secrets_in("\n".join(told.difference(*map(str.splitlines, tracked().values())))) == set()


def test_no_file_names_a_path_of_somebody_s_machine() -> None:
    """Where the containers keep things (/opt, /run, /var, /tmp) is nobody's machine."""
    found = {name: MACHINE.findall(text) for name, text in tracked().items() if MACHINE.search(text)}
    assert found == {}
