"""A number that a screen has shown, found by its digest and added up again from the logs at its positions."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Final
from urllib.parse import quote

import httpx

from deploy.local.problems import StackProblem
from deploy.verify.claims import digest_of
from deploy.verify.logs import LogReader
from deploy.verify.places import Places
from deploy.verify.progress import Progress, untold
from deploy.verify.workbook import Counted, Evidence, Sums, Workbook

ANSWER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown, what the logs make of its positions, and which donations that counts.

    `counted`: by source, the first and last position and how many; `donations`: their ids, for operators.
    """

    proof: dict[str, Any]
    sums: Sums
    digest: str
    counted: list[Counted]
    donations: list[str]

    @property
    def exact(self) -> bool:
        """Whether the logs make the same number, and so the same digest."""
        return bool(self.digest == self.proof["digest"])

    def as_json(self, *, ids: bool) -> dict[str, Any]:
        """One JSON object; with `ids` the donations themselves."""
        found = {
            "exact": self.exact,
            "shown": self.proof,
            "recomputed": {**asdict(self.sums), "net_fen": self.sums.net_fen, "digest": self.digest},
            "counted": [each._asdict() for each in self.counted],
        }
        return found | ({"donation_ids": self.donations} if ids else {})


async def verify_shown(places: Places, campaign_id: str, digest: str, progress: Progress = untold) -> Shown:
    """Find and recompute. Raises StackProblem when the number is not known or a place can't be read."""
    proof = await _proof(places, campaign_id, digest)
    positions: dict[str, int] = proof["positions"]
    with Workbook() as workbook:
        await LogReader(places, workbook, progress).read()
        workbook.decide(positions, progress)
        given = workbook.sums(Evidence.INTAKE, proof["campaign_id"], positions)
        sums = replace(
            workbook.sums(Evidence.CAMPAIGN_EVENTS, proof["campaign_id"], positions),
            received_fen=given.received_fen,
            reversed_fen=given.reversed_fen,
            donations=given.donations,
        )
        counted = workbook.counted(proof["campaign_id"], positions)
        donations = workbook.donations(proof["campaign_id"], positions)
    return Shown(proof, sums, digest_of(proof["campaign_id"], positions, sums), counted, donations)


async def _proof(places: Places, campaign_id: str, digest: str) -> dict[str, Any]:
    path = f"/v1/campaigns/{quote(campaign_id, safe='')}/proofs/{quote(digest, safe='')}"
    try:
        async with httpx.AsyncClient(base_url=places.reporting_url, timeout=ANSWER_S) as client:
            answer = await client.get(path)
    except httpx.HTTPError as error:
        raise StackProblem(f"The reporting service at {places.reporting_url}: {error!r}.") from error
    if not answer.is_success:
        try:
            said = answer.json()["detail"]
        except (ValueError, KeyError):
            said = f"HTTP {answer.status_code}"
        raise StackProblem(str(said))
    return dict(answer.json())
