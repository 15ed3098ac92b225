"""What the service tells its keepers: health, metrics, its contract."""

import pytest

from tests.services.campaign.builders import DESK, Source, a_campaign, launched, new_campaign_id
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_it_is_ready_when_broker_and_database_answer(service: Service) -> None:
    assert (await service.client.get("/livez")).status_code == 200
    ready = await service.client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "missing": []})


async def test_its_metrics_have_units_and_help_and_no_value_from_a_request(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk, goal_fen=1)
    await desk.post(f"/campaigns/{campaign_id}/launch")
    await service.book([Source().received(campaign_id, 5)])
    exposed = (await service.client.get("/metrics")).text
    for name in (
        "shanliu_campaign_batch_seconds",
        "shanliu_command_seconds",
        "shanliu_commands_total",
        "shanliu_campaign_thresholds_reached_total",
        "shanliu_events_total",
        "shanliu_outbox_oldest_seconds",
    ):
        assert f"# HELP {name} " in exposed, name
    assert 'shanliu_commands_total{command="launch_campaign",outcome="refused"}' in exposed
    assert campaign_id not in exposed


async def test_its_contract_describes_every_route_parameter_and_field(service: Service) -> None:
    contract = (await service.client.get("/openapi.json")).json()
    assert contract["openapi"].startswith("3.1")
    assert "Idempotency-Key" in contract["info"]["description"]
    for path, operations in contract["paths"].items():
        if not path.startswith("/v1/"):
            continue
        for method, operation in operations.items():
            place = f"{method} {path}"
            assert operation["summary"], place
            assert operation["description"], place
            names = {parameter["name"].lower() for parameter in operation.get("parameters", [])}
            assert method != "post" or {"idempotency-key", "if-match"} <= names, place
            for parameter in operation.get("parameters", []):
                described = parameter.get("description") or parameter["schema"].get("description")
                assert described or "_id" in parameter["name"] or parameter["name"] == "state", place
    for name in (
        "CampaignBody",
        "GiftBody",
        "GiftItemBody",
        "LineBody",
        "SplitBody",
        "PolicyBody",
        "PledgeBody",
        "ReleaseBody",
        "DeliveryBody",
        "DisbursementBody",
        "LineItemBody",
        "HelpedBody",
        "PayBody",
        "EndBody",
        "MoneyBackBody",
        "BudgetBody",
        "BudgetLineBody",
        "StatedYearBody",
        "FilingBody",
        "VoucherBody",
        "PostingBody",
        "ReversalBody",
    ):
        for field, schema in contract["components"]["schemas"][name]["properties"].items():
            assert schema.get("description"), f"{name}.{field}"


async def test_what_was_sent_is_not_sent_back(service: Service) -> None:
    too_much = a_campaign(new_campaign_id(), goal_fen=10**13 + 1)
    refused = await service.operator(DESK).post("/campaigns", too_much)
    assert refused.status_code == 422
    assert "10000000000001" not in refused.text, "a problem names the field, not what was sent"
