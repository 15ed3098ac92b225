"""The whole API of the campaign service, by its own document: with an administrator's token and without."""

import pytest
from schemathesis import GenerationMode

from tests.services.campaign.builders import ADMINISTRATOR, token
from tests.services.campaign.conftest import Service
from tests.services.campaign.test_insurance import a_programme
from tests.services.campaign.test_spending import a_fund_of, asked
from tests.services.driving import drive, let_in_without_a_token, operations_of, through

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # schemathesis's own strategies do it
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]
SIGNED_IN = {"Authorization": f"Bearer {token(ADMINISTRATOR)}"}
DEEPER = ("disbursements", "insurance", "ledger", "campaigns")
"""What the files beside this one do not go into with things that are there."""


async def test_every_operation_answers_what_its_document_says(service: Service) -> None:
    operations = operations_of((await service.client.get("/openapi.json")).json())
    assert len(operations) >= 150
    assert await drive(operations, through(service.client), SIGNED_IN) == []


async def test_what_is_there_is_treated_as_the_document_says(service: Service) -> None:
    operations = operations_of((await service.client.get("/openapi.json")).json())
    deeper = [each for each in operations if set(DEEPER) & set(each.definition.raw["tags"])]
    assert len(deeper) >= 60
    campaign_id = await a_fund_of(service, 100_000)
    insurance = await a_programme(service)
    known = {
        "campaign_id": campaign_id,
        "disbursement_id": await asked(service, campaign_id, 1_000),
        "organisation_id": "nobody",
    }
    send = through(service.client)
    found = await drive(deeper, send, SIGNED_IN, known=known)
    insured = [each for each in deeper if "insurance" in each.definition.raw["tags"]]
    about = {"campaign_id": insurance.campaign_id}
    found += await drive(insured, send, SIGNED_IN, known=about, modes=(GenerationMode.POSITIVE,))
    assert found == []


async def test_nobody_is_let_in_without_a_token(service: Service) -> None:
    operations = operations_of((await service.client.get("/openapi.json")).json())
    assert await let_in_without_a_token(operations, through(service.client)) == []
