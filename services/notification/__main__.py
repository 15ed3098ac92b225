"""`python -m services.notification [serve | migrate]`."""

import asyncio
import sys

from services.notification.app import create_app
from services.notification.settings import Settings
from shared import database, service


def main() -> None:
    """Serve, or bring the database to the newest version."""
    settings = Settings()
    command = sys.argv[1] if len(sys.argv) > 1 else "serve"
    if command == "migrate":
        asyncio.run(database.migrate(settings.database_url, "services.notification"))
    elif command == "serve":
        service.run("notification", lambda: create_app(settings), settings)
    else:
        raise SystemExit(f"unknown command {command!r}: serve or migrate")


if __name__ == "__main__":
    main()
