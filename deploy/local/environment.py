"""What our children are told by their environment, and what they must not inherit."""

import os
from typing import Final

SETTINGS: Final = frozenset(
    {
        "DATABASE_URL",
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_NAMESPACE",
        "KAFKA_SESSION_TIMEOUT_MS",
        "KAFKA_METADATA_MAX_AGE_MS",
        "HTTP_HOST",
        "HTTP_PORT",
        "HTTP_FDS",
        "LOG_LEVEL",
        "OPERATORS_FILE",
        "SECRETS_DIR",
        "CONSOLE_KEY_FILE",
        "CONSOLE_PRIVATE_KEY_FILE",
        "DONATION_URL",
        "CAMPAIGN_URL",
        "NOTIFICATION_URL",
        "REPORTING_URL",
        "SCREENS_URL",
        "SECURE_COOKIES",
        "PROXIES",
        "OIDC_ISSUER",
        "OIDC_CLIENT_ID",
        "OIDC_CLIENT_SECRET",
        "ROLES",
        "CHANNEL_KEY",
        "WEBHOOK_KEY",
        "SMTP_HOST",
        "SMTP_PORT",
        "SMTP_FROM",
        "SMTP_STARTTLS",
        "SMTP_TLS",
        "SMTP_CA_FILE",
        "SMTP_USERNAME",
        "SMTP_PASSWORD",
        "SMTP_RATE_PER_S",
        "PARTITIONS",
        "PUBLIC_URL",
    }
)
"""The services' settings: a child has exactly those it is given."""

FOREIGN: Final = frozenset({"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH"})
"""Would change the Java that runs the broker."""

UNWANTED: Final = frozenset({"PYTHONDONTWRITEBYTECODE"})
"""A service that is started again and again must not compile its source each time (0.2 s of a core each)."""

LIBPQ_PREFIX: Final = "PG"
"""PGPORT, PGDATA, PGHOST, … would point PostgreSQL's programs at another server."""


def short_lived() -> bool:
    """SHANLIU_SHORT_LIVED=1: a stack for minutes, as tests want it. Its broker starts with less work, its
    database outlives a kill -9 and not a crash of the machine, no process steps back, and passwords that it
    makes are hashed with next to no work.
    """
    return os.environ.get("SHANLIU_SHORT_LIVED") == "1"


def own_environment() -> dict[str, str]:
    """This process's environment without anything that is meant for another server."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in SETTINGS | FOREIGN | UNWANTED and not name.startswith(LIBPQ_PREFIX)
    }
