"""`python -m deploy.verify`: the same as `shanliu verify`."""

import sys

from deploy.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "verify")
    main()
