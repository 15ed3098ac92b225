"""What the rules say of donors' messages, and what decisions make of them."""

from typing import Any

import pytest

from services.donation.moderation.rules import (
    CampaignRules,
    Screening,
    Step,
    Word,
    WordList,
    decide,
    normalised,
    personal_data,
    reopen,
    screen,
)

WORDS = WordList([Word("博彩"), Word("Fuck"), Word("V I P"), Word("A-B", "exact")])
AUTOMATIC = CampaignRules(automatic=True, required_from_fen=1_000_000)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("愿孩子们平安长大", None),
        ("来博彩吧", "博彩"),
        ("博 彩", "博彩"),
        ("博。*彩", "博彩"),
        ("博\u200d彩", "博彩"),
        ("博\n彩", "博彩"),
        ("ｆＵｃｋ you", "Fuck"),
        ("f.u.c.k", "Fuck"),
        ("fúck", "Fuck"),
        ("ⓕuck", "Fuck"),
        ("vip", "V I P"),
        ("A-B", "A-B"),
        ("AB", None),
        ("a-b", None),
    ],
)
def test_a_word_is_found_however_it_is_disguised(text: str, found: str | None) -> None:
    assert WORDS.find(text) == found


def test_a_word_of_punctuation_alone_finds_nothing() -> None:
    assert WordList([Word("...")]).find("愿你平安") is None


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("新年快乐，一路平安，十全十美", ()),
        ("千千万万个家庭", ()),
        ("祝2027年更好", ("digits",)),
        ("１３８ ０００－０ 0000 0", ("phone", "digits")),
        ("电话一三八零零幺三八零零零", ("phone", "digits")),
        ("①③⑧⓪⓪⓪⓪⓪⓪⓪⓪", ("phone", "digits")),
        ("身份证 11010519491231002X", ("id_number", "digits")),
        ("见 https://例子.cn/a", ("url",)),
        ("见 shanliu。org 谢谢", ("url",)),
        ("写给 a@例子", ("email",)),
        ("加 微 信 说话", ("wechat",)),
        ("我是 wx_lover", ("wechat",)),
    ],
)
def test_what_may_be_personal_data_is_named(text: str, kinds: tuple[str, ...]) -> None:
    found = personal_data(text)
    assert set(kinds) <= set(found)
    assert bool(found) is bool(kinds)


@pytest.mark.parametrize(
    ("text", "amount_fen", "rules", "expected"),
    [
        ("加油", 100, CampaignRules(), Screening("waiting")),
        ("加油", 100, AUTOMATIC, Screening("approved", "automatic")),
        ("加油", 999_999, AUTOMATIC, Screening("approved", "automatic")),
        ("加油", 1_000_000, AUTOMATIC, Screening("waiting")),
        ("加油 5", 100, AUTOMATIC, Screening("waiting", personal=("digits",))),
        ("博彩", 100, AUTOMATIC, Screening("refused_by_rule", "word_list", "博彩")),
        ("好" * 100, 100, AUTOMATIC, Screening("approved", "automatic")),
        ("好" * 101, 100, AUTOMATIC, Screening("refused_by_rule", "too_long")),
        ("加油", 500, CampaignRules(first_from_fen=500), Screening("waiting", first=True)),
        ("加油", 499, CampaignRules(first_from_fen=500), Screening("waiting")),
    ],
)
def test_what_becomes_of_a_message(
    text: str, amount_fen: int, rules: CampaignRules, expected: Screening
) -> None:
    assert screen(text, amount_fen, WORDS, rules) == expected


@pytest.mark.parametrize(
    ("state", "verdict", "expected"),
    [
        ("waiting", "approve", "approved"),
        ("waiting", "refuse", "refused"),
        ("refused_by_rule", "approve", "approved"),
        ("refused_by_rule", "refuse", "refused"),
        ("approved", "approve", None),
        ("approved", "refuse", "withdrawn"),
        ("refused", "approve", "approved"),
        ("refused", "refuse", None),
        ("withdrawn", "approve", "approved"),
        ("withdrawn", "refuse", None),
    ],
)
def test_what_a_decision_makes_of_a_message(state: Any, verdict: Any, expected: str | None) -> None:
    assert decide(state, verdict) == expected


APPROVED, REFUSED = Step("approve", "approved", by_person=True), Step("refuse", "refused", by_person=True)
WITHDRAWN = Step("refuse", "withdrawn", by_person=True)
BY_RULE = Step("approve", "approved", by_person=False)


@pytest.mark.parametrize(
    ("last", "before", "expected"),
    [
        (None, None, None),
        (APPROVED, None, "waiting"),
        (REFUSED, None, "waiting"),
        (WITHDRAWN, APPROVED, "approved"),
        (WITHDRAWN, BY_RULE, "approved"),
        (APPROVED, REFUSED, "refused"),
        (APPROVED, WITHDRAWN, "withdrawn"),
        (REFUSED, Step("reopen", "waiting", by_person=True), "waiting"),
        (APPROVED, Step("reopen", "refused_by_rule", by_person=True), "waiting"),
        (APPROVED, Step("reopen", "refused", by_person=True), "refused"),
        (BY_RULE, None, None),
        (Step("refuse", "withdrawn", by_person=False), APPROVED, None),
        (Step("reopen", "waiting", by_person=True), APPROVED, None),
    ],
)
def test_what_was_decided_last_is_taken_back(
    last: Step | None, before: Step | None, expected: str | None
) -> None:
    assert reopen(last, before) == expected


def test_what_a_person_took_back_is_not_approved_by_a_rule() -> None:
    assert screen("加油", 100, WORDS, AUTOMATIC, reopened=True) == Screening("waiting")
    assert screen("博彩", 100, WORDS, AUTOMATIC, reopened=True).state == "refused_by_rule"


def test_normalised_keeps_what_is_written() -> None:
    assert normalised("Ｈello， 世 界！①") == "hello世界1"
