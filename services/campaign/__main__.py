"""`python -m services.campaign [serve | migrate | restore [--dry-run]]`."""

from shared import loading  # isort: split

import sys

from services.campaign.app import create_app
from services.campaign.settings import Settings
from shared import service


def main() -> None:
    """Run one of the service's commands; `serve` when none is named."""
    loading.done()
    settings = Settings()
    command = sys.argv[1] if len(sys.argv) > 1 else "serve"
    if command == "migrate":
        from shared import migrations  # noqa: PLC0415 - 0.1 s that serving need not pay

        migrations.run_command(settings.database_url, "services.campaign")
    elif command == "restore":
        from services.campaign.restoring import restore  # noqa: PLC0415 - seldom asked for
        from shared import restoring  # noqa: PLC0415

        restoring.command(restore, settings, settings.database_url, sys.argv[2:])
    elif command == "serve":
        service.run("campaign", lambda: create_app(settings), settings)
    else:
        raise SystemExit(f"unknown command {command!r}: serve, migrate or restore")


if __name__ == "__main__":
    main()
