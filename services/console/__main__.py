"""`python -m services.console [serve | migrate]`."""

from shared import loading  # isort: split

import sys

from services.console.app import create_app
from services.console.settings import Settings
from shared import service


def main() -> None:
    """Serve, or bring the database to the newest version."""
    loading.done()
    settings = Settings()
    command = sys.argv[1] if len(sys.argv) > 1 else "serve"
    if command == "migrate":
        from shared import migrations  # noqa: PLC0415 - 0.1 s that serving need not pay

        migrations.run_command(settings.database_url, "services.console")
    elif command == "serve":
        service.run("console", lambda: create_app(settings), settings)
    else:
        raise SystemExit(f"unknown command {command!r}: serve or migrate")


if __name__ == "__main__":
    main()
