"""`python -m services.campaign [serve | migrate]`."""

import asyncio
import sys

from services.campaign.app import create_app
from services.campaign.settings import Settings
from shared import database, service


def main() -> None:
    """Serve, or bring the database to the newest version."""
    settings = Settings()
    command = sys.argv[1] if len(sys.argv) > 1 else "serve"
    if command == "migrate":
        asyncio.run(database.migrate(settings.database_url, "services.campaign"))
    elif command == "serve":
        service.run("campaign", lambda: create_app(settings), settings)
    else:
        raise SystemExit(f"unknown command {command!r}: serve or migrate")


if __name__ == "__main__":
    main()
