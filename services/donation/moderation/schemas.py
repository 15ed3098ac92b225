"""What comes and goes by HTTP in moderation: bounded, in fen, in UTC, unknown fields refused."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from sqlalchemy import Row

from services.donation.intake import AmountFen, CampaignId, Words
from services.donation.moderation.rules import (
    DEFAULT_CHARACTERS,
    MAX_CHARACTERS,
    CampaignRules,
    Match,
    Personal,
    Rule,
    State,
    Verdict,
    Word,
)
from shared.events.donations import DonorKind

Reason = Literal["personal_data", "advertising", "insult", "not_fitting", "donor_asked", "other"]
MAX_DECISIONS = 200
MAX_WORDS = 5_000
Shown = Literal["waiting", "refused_by_rule", "approved", "refused", "withdrawn"]
"""States a list can be asked for."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DecisionBody(_Strict):
    """One decision. `version` is the message's when it was looked at: when somebody else has decided since,
    nothing is changed. A refusal needs its reason; of a message that is shown, it takes it off the screens.
    `reopen` takes the last decision back: the message is again what it was before it. What could have
    personal data in it (`personal_data`) is approved in a call of its own.
    """

    message_id: UUID
    version: Annotated[int, Field(ge=0, le=2**31 - 1)]
    decision: Verdict
    reason: Annotated[Reason | None, Field(validate_default=True)] = None
    note: Words | None = None

    @field_validator("reason")
    @classmethod
    def _refusals_have_one(cls, reason: Reason | None, info: ValidationInfo) -> Reason | None:
        if "decision" in info.data and (info.data["decision"] == "refuse") != (reason is not None):
            raise ValueError("goes with the decision refuse, and only with it")
        return reason


class DecisionsBody(_Strict):
    """Decisions, 1 … 200, each about another message."""

    decisions: Annotated[list[DecisionBody], Field(min_length=1, max_length=MAX_DECISIONS)]

    @field_validator("decisions")
    @classmethod
    def _each_once(cls, decisions: list[DecisionBody]) -> list[DecisionBody]:
        if len({each.message_id for each in decisions}) < len(decisions):
            raise ValueError("one message stands twice in it")
        return decisions


class Decided(BaseModel):
    """What became of one decision. `done`; `unchanged`: it was so already; `refused`: see `problem`."""

    message_id: UUID
    outcome: Literal["done", "unchanged", "refused"]
    state: State | None
    version: int | None
    problem: str | None = None


class DecisionsAnswer(BaseModel):
    """One item for each decision, in their order."""

    done: int
    unchanged: int
    refused: int
    items: list[Decided]

    @classmethod
    def of(cls, items: list[Decided]) -> Self:
        """The answer with its counts."""
        outcomes = [item.outcome for item in items]
        return cls(
            items=items,
            done=outcomes.count("done"),
            unchanged=outcomes.count("unchanged"),
            refused=outcomes.count("refused"),
        )


class Message(BaseModel):
    """A message as its moderator sees it. `name` is what the donor agreed to show; null: anonymous.
    `message_id` is the donation's id. The last decision, if there was one, stands with it.
    """

    model_config = ConfigDict(from_attributes=True)

    message_id: UUID
    campaign_id: str
    channel: str
    amount_fen: int
    occurred_at: datetime
    received_at: datetime
    donor_kind: DonorKind
    name: str | None
    text: str
    state: State
    version: int
    first: bool
    """From the amount on that the campaign has set."""
    personal_data: list[Personal]
    """What in it could be somebody's personal data."""
    rule: Rule | None
    word: str | None
    donation_reversed: bool
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    note: str | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """The message of a row of queries.list_messages."""
        said = {**row._mapping, "first": row.rank == 0, "personal_data": row.personal}  # noqa: SLF001 - public
        return cls.model_validate(said | {"donation_reversed": row.reversed})


class MessagePage(BaseModel):
    """A part of the queue; `next` is the `after` of the next part."""

    items: list[Message]
    next: str | None


class CampaignQueue(BaseModel):
    """A campaign and how many of its messages wait; 1,000: at least so many."""

    model_config = ConfigDict(from_attributes=True)

    campaign_id: str
    status: Literal["filed", "launched", "paused", "closed"]
    waiting: int


class CampaignQueues(BaseModel):
    """The campaigns that messages can come to: 200 at most, those that are not closed first."""

    items: list[CampaignQueue]


class Step(BaseModel):
    """One decision about a message. `decided_by` null: the rule."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    verdict: Verdict
    state: State
    decided_by: str | None
    rule: Rule | None
    reason: str | None
    note: str | None
    decided_at: datetime


class MessageHistory(Message):
    """A message with every decision about it, the first first."""

    decisions: list[Step]


class ListedWord(_Strict):
    """A word that no message may have. `normalised`: capitals, width, spaces and punctuation don't count."""

    word: Annotated[str, Field(min_length=1, max_length=64, pattern=r"\S")]
    match: Match = "normalised"


class WordsBody(_Strict):
    """The whole list."""

    words: Annotated[list[ListedWord], Field(max_length=MAX_WORDS)]

    def listed(self) -> list[Word]:
        """The words as the rules have them, each once."""
        return list(dict.fromkeys(Word(each.word.strip(), each.match) for each in self.words))


class WordListView(BaseModel):
    """The list in force."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    words: list[ListedWord]
    changed_by: str
    changed_at: datetime


class RulesBody(_Strict):
    """What holds for a campaign's messages. `automatic`: what no rule minds is shown without a person; off
    unless it is said.
    """

    automatic: bool = False
    first_from_fen: AmountFen | None = None
    required_from_fen: AmountFen | None = None
    max_characters: Annotated[int, Field(ge=1, le=MAX_CHARACTERS)] = DEFAULT_CHARACTERS

    def rules(self) -> CampaignRules:
        """As the rules have them."""
        return CampaignRules(**self.model_dump())


class RulesView(RulesBody):
    """The rules in force for a campaign; version 0: nothing was set."""

    model_config = ConfigDict(from_attributes=True)

    campaign_id: CampaignId
    version: int = 0
    changed_by: str | None = None
    changed_at: datetime | None = None
