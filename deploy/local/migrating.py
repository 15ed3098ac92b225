"""Migrates one service's database as its owner, by the code as it lies here now: the supervisor that asks for
it may be of the release before. `python -m deploy.local.migrating PACKAGE`, with ADMIN_URL and DATABASE_URL.
"""

import asyncio
import os
import sys

from deploy.local.roles import migrate_apart

if __name__ == "__main__":
    asyncio.run(migrate_apart(os.environ["ADMIN_URL"], os.environ["DATABASE_URL"], sys.argv[1]))
