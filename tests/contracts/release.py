"""Keeps each API as this release has it: `python -m tests.contracts.release`, at a release only."""

from tests.contracts.breaking_api import write_release
from tests.contracts.documents import SERVICES, openapi
from tests.contracts.test_breaking_api import RELEASED


def main() -> None:
    """Write the released form of every service's API."""
    RELEASED.mkdir(exist_ok=True)
    for service in SERVICES:
        write_release(openapi(service), RELEASED / f"{service}.json")


if __name__ == "__main__":
    main()
