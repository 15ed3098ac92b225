"""What is answered about a number that was shown. Amounts in fen of CNY, times in UTC."""

from collections.abc import Mapping
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from services.reporting.proof import canonical_claim, digest_of
from services.reporting.proving.codes import code_of
from services.reporting.totals import Amounts


class Proof(BaseModel):
    """A number as it was shown. It counted, of each source, every event up to and including its position."""

    campaign_id: str
    version: int
    digest: str
    code: str = Field(description="The digest's first sixteen digits, in fours")
    as_of: datetime
    received_fen: int
    reversed_fen: int
    net_fen: int
    promised_fen: int
    disbursed_fen: int
    returned_fen: int
    donations: int = Field(description="How many donations it counted")
    positions: dict[str, int]
    recomputed: bool = Field(description="Whether the digest made of these amounts and positions is the same")

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """The proof of a state that was kept; its digest is made anew."""
        positions = dict(zip(row["sources"], row["sequences"], strict=True))
        amounts = Amounts(**{name: row[name] for name in Amounts.model_fields if name in row})
        return cls(
            **{name: row[name] for name in cls.model_fields if name in row},
            code=code_of(row["digest"]),
            net_fen=amounts.net_fen,
            positions=positions,
            recomputed=digest_of(row["campaign_id"], positions, amounts) == row["digest"],
        )

    def claim(self) -> str:
        """The text whose SHA-256 is the digest."""
        kept: Mapping[str, int] = self.model_dump(include=set(Amounts.model_fields))
        return canonical_claim(self.campaign_id, self.positions, Amounts(**kept))
