"""`python -m deploy.local.mailcatcher --smtp-port 8125 --http-port 8126`."""

import argparse
import asyncio
import socket
import ssl
import sys
from pathlib import Path

import uvicorn

from deploy.local.mailcatcher.mailbox import Mailbox
from deploy.local.mailcatcher.pages import create_pages
from deploy.local.mailcatcher.smtp import LOOPBACK, smtp_running


async def serve(host: str, smtp_port: int, http_port: int, certificate: Path | None = None) -> None:
    """Run both sides until SIGINT or SIGTERM; with a `certificate` mail comes by STARTTLS alone. Raises
    OSError when a port is taken.
    """
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    mailbox = Mailbox()
    with socket.create_server((host, http_port)) as listener:
        async with smtp_running(mailbox, smtp_port, host=host, tls_context=tls):
            config = uvicorn.Config(
                create_pages(mailbox), log_level="warning", access_log=False, timeout_graceful_shutdown=3
            )
            await uvicorn.Server(config).serve(sockets=[listener])


def main() -> int:
    """Read the ports and serve. 1 when a port is taken."""
    parser = argparse.ArgumentParser(prog="mailcatcher", description="Keeps the demo's mail and shows it.")
    parser.add_argument("--host", default=LOOPBACK, help="the address to listen on (in a container: 0.0.0.0)")
    parser.add_argument("--smtp-port", type=int, default=8125)
    parser.add_argument("--http-port", type=int, default=8126)
    parser.add_argument("--certificate", type=Path, help="key and certificate in PEM: STARTTLS is required")
    ports = parser.parse_args()
    try:
        asyncio.run(serve(ports.host, ports.smtp_port, ports.http_port, ports.certificate))
    except OSError as error:
        sys.stderr.write(
            f"mailcatcher: can't listen on {ports.host}, port {ports.smtp_port} or {ports.http_port}: "
            f"{error.strerror}. Choose others with --smtp-port and --http-port.\n"
        )
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
