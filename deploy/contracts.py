"""Writes what the services publish of themselves to files: `python -m deploy.contracts` (`make contracts`).

docs/api/openapi.<service>.json is what GET /openapi.json of the service answers, and docs/api/asyncapi.json
all events of all services. They are committed, so that a change of contract shows in the diff; the contract
tests compare them.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from pydantic import SecretStr

from services.campaign.app import create_app as create_campaign
from services.campaign.settings import Settings as CampaignSettings
from services.campaign.traffic import TRAFFIC as CAMPAIGN_TRAFFIC
from services.donation.app import create_app as create_donation
from services.donation.settings import Settings as DonationSettings
from services.donation.traffic import TRAFFIC as DONATION_TRAFFIC
from services.notification.app import create_app as create_notification
from services.notification.settings import Settings as NotificationSettings
from services.notification.traffic import TRAFFIC as NOTIFICATION_TRAFFIC
from services.reporting.app import create_app as create_reporting
from services.reporting.settings import Settings as ReportingSettings
from services.reporting.traffic import TRAFFIC as REPORTING_TRAFFIC
from shared.contracts import asyncapi

API: Final = Path(__file__).parents[1] / "docs" / "api"

NOWHERE: Final = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"
"""A description needs no database: no part of an application is entered for it."""

APPLICATIONS: Final[dict[str, Callable[[], FastAPI]]] = {
    "campaign": lambda: create_campaign(CampaignSettings(database_url=NOWHERE)),
    "donation": lambda: create_donation(
        DonationSettings(database_url=NOWHERE, roles="api", channel_key=SecretStr("A" * 43 + "="))
    ),
    "notification": lambda: create_notification(
        NotificationSettings(database_url=NOWHERE, address_key=SecretStr("A" * 43 + "="))
    ),
    "reporting": lambda: create_reporting(ReportingSettings(database_url=NOWHERE, roles="worker,screens")),
}


def openapi_of(service: str) -> dict[str, Any]:
    """The OpenAPI document of a service, as it answers it."""
    return APPLICATIONS[service]().openapi()


def asyncapi_of_all() -> dict[str, Any]:
    """The AsyncAPI document of all services together; each answers its own part of it."""
    traffic = (DONATION_TRAFFIC, CAMPAIGN_TRAFFIC, NOTIFICATION_TRAFFIC, REPORTING_TRAFFIC)
    return asyncapi.document("events", "1", traffic)


def rendered() -> dict[str, str]:
    """File name → text for every document."""
    return {
        **{f"openapi.{service}.json": _text(openapi_of(service)) for service in APPLICATIONS},
        "asyncapi.json": _text(asyncapi_of_all()),
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Write every document, and remove what is no more."""
    API.mkdir(parents=True, exist_ok=True)
    wanted = rendered()
    for stale in {path.name for path in API.glob("*.json")} - wanted.keys():
        (API / stale).unlink()
    for name, text in wanted.items():
        (API / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
