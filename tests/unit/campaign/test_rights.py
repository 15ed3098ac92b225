"""Every route of the campaign service asks whose the thing is that its address names."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from services.campaign.app import create_app
from services.campaign.organisations.rights import OWNERS
from services.campaign.settings import Settings

PUBLIC = {"/livez", "/readyz", "/metrics", "/asyncapi.json", "/docs", "/docs/reader.css"}
OF_NOBODY = {"month", "number"}
"""What an address names that belongs to no organisation: a month, an account."""

NARROWS_ITSELF = {
    "POST /v1/campaigns",
    "GET /v1/campaigns",
    "POST /v1/organisations",
    "GET /v1/organisations",
    "GET /v1/pledges/due",
    "GET /v1/disbursements",
    "POST /v1/ledger/vouchers",
    "POST /v1/ledger/reversals",
    "GET /v1/ledger/drafts",
    "GET /v1/ledger/accounts",
    "GET /v1/ledger/funds",
    "GET /v1/goods-expiring",
    "GET /v1/insurance-totals",
    "GET /v1/named-funds",
    "GET /v1/disclosure/calendar",
    "GET /v1/disclosure/reports",
    "POST /v1/disclosure/reports",
    "GET /v1/splits/to-correct",
}
"""Routes that let somebody in who has the role at a single organisation, though the address names nothing:
lists that show what is in reach, commands that look at what their body names. Each has its test in
tests/services/campaign/test_rights.py (the chart of accounts is the same for all)."""


@pytest.fixture(scope="module")
def routes() -> list[APIRoute]:
    settings = Settings(
        database_url="postgresql+asyncpg://nobody@127.0.0.1/none", kafka_bootstrap_servers="none:1"
    )
    routes = [each for each in create_app(settings).routes if isinstance(each, APIRoute)]
    assert len(routes) > 100
    return [each for each in routes if each.path not in PUBLIC]


def asked(dependant: Dependant) -> Iterator[str]:
    """The names of all that is asked before a route runs."""
    for each in dependant.dependencies:
        yield f"{getattr(each.call, '__module__', '')}.{getattr(each.call, '__qualname__', '')}"
        yield from asked(each)


def told(route: APIRoute) -> str:
    return f"{min(route.methods or ())} {route.path}"


def test_every_route_asks_for_a_role_where_it_acts(routes: list[APIRoute]) -> None:
    asking = "services.campaign.api.allowed.<locals>.dependency"
    assert [told(each) for each in routes if asking not in asked(each.dependant)] == []
    assert len(routes) > 40


def test_whatever_an_address_names_is_known_to_belong_to_somebody(routes: list[APIRoute]) -> None:
    named = {param.name for each in routes for param in each.dependant.path_params}
    assert named - OWNERS.keys() - OF_NOBODY == set(), "add it to organisations/rights.py OWNERS"


NAMED_IN_BODIES = {
    "POST /v1/campaigns: organisation_id",
    "PUT /v1/campaigns/{campaign_id}/plan: organisation_id",
    "POST /v1/campaigns/{campaign_id}/parts: organisation_id",
    "POST /v1/campaigns/{campaign_id}/matches: campaign_ids",
    "POST /v1/organisations: parent_id",
    "POST /v1/campaigns/{campaign_id}/organisation: organisation_id",
    "POST /v1/campaigns/{campaign_id}/transfers: to_campaign_id",
    "POST /v1/campaigns/{campaign_id}/splits: campaign_id",
    "POST /v1/campaigns/{campaign_id}/remainders: to_campaign_id",
    "POST /v1/disclosure/reports: campaign_id",
    "POST /v1/disclosure/reports: organisation_id",
    "POST /v1/ledger/vouchers: campaign_id",
    "POST /v1/ledger/openings: campaign_id",
}
"""What a body names, and its command looks at by organisations/rights.py; each has its test as well. (An
opening names campaigns, but needs the role everywhere.)"""

ITS_OWN = {
    "POST /v1/campaigns: campaign_id",
    "POST /v1/campaigns/{campaign_id}/parts: campaign_id",
    "POST /v1/organisations: organisation_id",
}


def test_only_these_bodies_name_what_belongs_to_somebody(routes: list[APIRoute]) -> None:
    def named(part: Any) -> Iterator[str]:
        for name, field in part.get("properties", {}).items():
            if name.endswith(("campaign_id", "campaign_ids", "campaigns", "organisation_id", "parent_id")):
                yield name
            yield from named(field)
        for each in part.get("$defs", {}).values():
            yield from named(each)

    found = {
        f"{told(route)}: {name}"
        for route in routes
        for param in route.dependant.body_params
        for name in named(TypeAdapter[Any](param.field_info.annotation or Any).json_schema())
    }
    assert found - ITS_OWN == NAMED_IN_BODIES


def test_only_these_routes_narrow_themselves(routes: list[APIRoute]) -> None:
    def somewhere(dependant: Dependant) -> bool:
        here = any(
            (cell.cell_contents is True)
            for cell in getattr(dependant.call, "__closure__", None) or ()
            if dependant.call is not None and dependant.call.__qualname__.startswith("allowed.")
        )
        return here or any(somewhere(each) for each in dependant.dependencies)

    assert {told(each) for each in routes if somewhere(each.dependant)} == NARROWS_ITSELF
