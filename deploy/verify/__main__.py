"""`python -m deploy.verify`: the same as `shanliu verify`."""

from deploy.cli import app

if __name__ == "__main__":
    app(["verify"])
