"""`python -m services.reporting [serve | migrate | rebuild [--anew] [--as-role=OWNER] | restore]`."""

from shared import loading  # isort: split

import asyncio
import sys

from services.reporting.app import create_app
from services.reporting.connection import StreamProtocol
from services.reporting.settings import Settings
from shared import service


def main() -> None:
    """Run one of the service's commands; `serve` when none is named."""
    settings = Settings()
    command = sys.argv[1] if len(sys.argv) > 1 else "serve"
    if command == "serve":
        service.run("reporting", lambda: create_app(settings), settings, StreamProtocol)
        return
    loading.done()
    if command == "migrate":
        from shared import migrations  # noqa: PLC0415 - 0.1 s that serving need not pay

        migrations.run_command(settings.database_url, "services.reporting")
    elif command == "rebuild":
        from services.reporting.rebuilding.beside import RebuildRefused  # noqa: PLC0415 - seldom asked for
        from services.reporting.rebuilding.rebuild import rebuild  # noqa: PLC0415

        try:
            given = sys.argv[2:]
            roles = [each.removeprefix("--as-role=") for each in given if each.startswith("--as-role=")]
            asyncio.run(rebuild(settings, anew="--anew" in given, as_role=next(iter(roles), None)))
        except RebuildRefused as error:
            raise SystemExit(str(error)) from error
    elif command == "restore":
        from services.reporting.restoring import restore  # noqa: PLC0415 - seldom asked for
        from shared import restoring  # noqa: PLC0415

        restoring.command(restore, settings, settings.database_url, sys.argv[2:])
    else:
        raise SystemExit(f"unknown command {command!r}: serve, migrate, rebuild or restore")


if __name__ == "__main__":
    main()
