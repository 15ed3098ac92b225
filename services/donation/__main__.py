"""`python -m services.donation [serve | migrate | republish | reseal | restore [--dry-run]]`."""

from shared import loading  # isort: split

import asyncio
import sys

from services.donation.app import create_app, republish, reseal
from services.donation.settings import Settings
from shared import service


def main() -> None:
    """Run one of the service's commands; `serve` when none is named."""
    settings = Settings()
    command = sys.argv[1] if len(sys.argv) > 1 else "serve"
    if command == "serve":
        service.run("donation", lambda: create_app(settings), settings)
        return
    loading.done()
    if command == "migrate":
        from shared import migrations  # noqa: PLC0415 - 0.1 s that serving need not pay

        migrations.run_command(settings.database_url, "services.donation")
    elif command == "republish":
        asyncio.run(republish(settings, *sys.argv[2:]))
    elif command == "reseal":
        asyncio.run(reseal(settings))
    elif command == "restore":
        from services.donation.restoring import restore  # noqa: PLC0415 - seldom asked for
        from shared import restoring  # noqa: PLC0415

        restoring.command(restore, settings, settings.database_url, sys.argv[2:])
    else:
        raise SystemExit(f"unknown command {command!r}: serve, migrate, republish, reseal or restore")


if __name__ == "__main__":
    main()
