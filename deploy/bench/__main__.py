"""`python -m deploy.bench`: the same as `shanliu bench`."""

import sys

from deploy.cli import app

if __name__ == "__main__":
    app(["bench", *sys.argv[1:]])
