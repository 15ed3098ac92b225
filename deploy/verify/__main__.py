"""`python -m deploy.verify`: the same as `shanliu verify`."""

import sys

from deploy.cli import app

if __name__ == "__main__":
    app(["verify", *sys.argv[1:]])
