"""The database itself refuses what must not exist, and the migrations make the tables of models.py."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, inspect, text
from sqlalchemy.exc import IntegrityError

import services.campaign.decisions.models
import services.campaign.disclosure.models
import services.campaign.funds.models
import services.campaign.goods.models
import services.campaign.insurance.models
import services.campaign.ledger.models
import services.campaign.matching.models
import services.campaign.organisations.models
import services.campaign.pledges.models
import services.campaign.spending.models
from services.campaign.models import metadata
from services.campaign.plan import REQUIRED_FIELDS
from shared.migrations import migrate
from tests.services.campaign.builders import DESK, FINANCE, a_disbursement, launched
from tests.services.campaign.conftest import Service

PACKAGE = Path(services.campaign.models.__file__).parent

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def write(service: Service, statement: str, **values: Any) -> None:
    async with service.engine.begin() as connection:
        await connection.execute(text(statement), values)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'over'", "campaigns_state"),
        ("state = 'settled'", "campaigns_(closed|settled)"),
        ("settled_at = now(), settled_on = now()", "campaigns_settled"),
        ("launched_on = NULL", "campaigns_recorded_on"),
        ("kind = 'party'", "campaigns_kind"),
        ("filing_number = NULL, filed_at = NULL", "campaigns_no_launch_without_filing"),
        ("filed_at = NULL", "campaigns_filed"),
        ("first_launched_at = NULL", "campaigns_first_launched"),
        ("state = 'closed'", "campaigns_closed"),
        ("closed_at = now()", "campaigns_closed"),
        ("goal_fen = 0", "campaigns_goal"),
        ("goal_fen = 10000000000001", "campaigns_goal"),
        ("window_end = window_start", "campaigns_window"),
        ("version = 0", "campaigns_version"),
        ("uses = '{}'", "campaigns_plan_complete"),
        *((f"{field} = NULL", "campaigns_plan_complete") for field in REQUIRED_FIELDS if field != "uses"),
    ],
)
async def test_a_launched_campaign_cannot_be_written_wrong(
    service: Service, change: str, constraint: str
) -> None:
    campaign_id = await launched(service.operator(DESK))
    with pytest.raises(IntegrityError, match=constraint):
        await write(service, f"UPDATE campaigns SET {change} WHERE campaign_id = :id", id=campaign_id)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'approved'", "disbursements_approved"),
        ("state = 'paid'", "disbursements_"),
        ("state = 'paid', approved_by = 'zhao', approved_at = now()", "disbursements_paid"),
        ("state = 'approved', approved_by = 'wang', approved_at = now()", "disbursements_two_people"),
        ("paid_by = 'wang', paid_at = now()", "disbursements_paid"),
        ("amount_fen = 0", "disbursements_amount"),
        ("amount_fen = -1", "disbursements_amount"),
        ("beneficiaries = 0", "disbursements_beneficiaries"),
        ("beneficiary_unit = 'cats'", "disbursements_unit"),
        ("category = 'party'", "disbursements_category"),
        ("""items = '[{"amount_fen": 99}]'""", "disbursements_items"),
        ("returned_fen = 1", "disbursements_returned"),
        ("state = 'rejected'", "disbursements_ended"),
        ("ended_by = 'wang', ended_at = now(), end_reason = '-'", "disbursements_ended"),
        ("campaign_id = 'another'", "disbursements_fund"),
    ],
)
async def test_a_disbursement_cannot_be_written_wrong(service: Service, change: str, constraint: str) -> None:
    campaign_id = await launched(service.operator(DESK))
    asked = await service.operator(FINANCE).post(f"/campaigns/{campaign_id}/disbursements", a_disbursement())
    assert asked.json()["requested_by"] == "wang"
    with pytest.raises(IntegrityError, match=constraint):
        await write(service, f"UPDATE disbursements SET {change} WHERE campaign_id = :id", id=campaign_id)


async def test_a_fund_cannot_have_received_less_than_nothing(service: Service) -> None:
    with pytest.raises(IntegrityError, match="fund_receipts_sums"):
        await write(service, "INSERT INTO fund_receipts VALUES ('gala', 'intake.a/0', -1, 0, 0, 0)")


async def test_a_campaign_has_one_fund_and_one_goal(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    with pytest.raises(IntegrityError, match="funds_one_a_campaign"):
        await write(
            service,
            "INSERT INTO funds (fund_id, campaign_id, created_at) VALUES (:fund, :id, now())",
            fund=uuid4(),
            id=campaign_id,
        )
    with pytest.raises(IntegrityError, match="thresholds_one_goal"):
        await write(service, "INSERT INTO thresholds VALUES (:id, 'goal', 5, NULL)", id=campaign_id)


async def test_the_migrations_make_the_tables_of_the_models(service: Service) -> None:
    def differences(connection: Connection) -> tuple[list[Any], list[str]]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, metadata)
        checks = inspect(connection).get_multi_check_constraints()
        return found, sorted(str(each["name"]) for table in checks.values() for each in table)

    async with service.engine.connect() as connection:
        found, checks = await connection.run_sync(differences)
    assert found == []
    assert checks == sorted(
        str(constraint.name)
        for table in metadata.tables.values()
        for constraint in {*table.constraints, *(each for column in table.c for each in column.constraints)}
        if isinstance(constraint, CheckConstraint)
    )


async def test_migrating_again_changes_nothing(service: Service) -> None:
    await migrate(service.settings.database_url, "services.campaign")
    newest = max(path.name[:4] for path in (PACKAGE / "migrations" / "versions").glob("[0-9]*.py"))
    assert await service.rows("SELECT version_num FROM alembic_version") == [(newest,)]
