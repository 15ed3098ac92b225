"""What a line says under a profile, and the shipped profiles on their sample files."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.donation.intake import DonationRequest, ReversalRequest
from services.donation.statements.amounts import read_fen
from services.donation.statements.checking import OWN_ID, Checker, Line
from services.donation.statements.profiles import Declared, Profile, shipped
from services.donation.statements.reading import rows
from tests.unit.donation.statements.builders import HEADER, camt, csv_of, entry_02, xlsx_by_xlsxwriter

SAMPLES = Path(__file__).parents[4] / "docs" / "statements"
UPLOADED = datetime(2027, 1, 6, tzinfo=UTC)
profile_of = TypeAdapter(Declared).validate_python


def a_profile(**changes: Any) -> Profile:
    declared = {
        "transaction_id": "交易流水号",
        "amount": {"column": "金额"},
        "time": {"columns": ["交易时间"]},
        "campaign": {"otherwise": "gala"},
        "donor": {"name": "付款人"},
    }
    return Profile.model_validate({key: value for key, value in (declared | changes).items() if value})


WITHOUT_ID = a_profile(transaction_id=None, derived_from=["交易时间", "金额", "付款人"])


def a_line(**changes: str) -> tuple[str, ...]:
    values = dict(zip(HEADER, ("T1", "2027-01-05 20:00:00", "100.00", "王小明", "加油"), strict=True))
    return tuple((values | changes).values())


def checked(content: bytes, profile: Profile) -> list[Line]:
    return list(Checker(profile, UPLOADED).lines(rows(content, profile.layout())))


def one(line: Iterable[str], profile: Profile) -> Line:
    (found,) = checked(csv_of([tuple(line)]), profile)
    return found


def donation(line: Line) -> DonationRequest:
    assert isinstance(line.message, DonationRequest), line.reasons
    return line.message


# ---------------------------------------------------------------- amounts


@given(st.integers(-(10**13), 10**13), st.sampled_from([".", "．"]))
def test_an_amount_in_yuan_is_exact(amount_fen: int, point: str) -> None:
    sign, (yuan, fen) = "-" if amount_fen < 0 else "", divmod(abs(amount_fen), 100)
    assert read_fen(f"{sign}{yuan}{point}{fen:02}") == amount_fen
    assert read_fen(f"{sign}{yuan:,}{point}{fen:02}") == amount_fen
    assert read_fen(str(amount_fen), "fen") == amount_fen


@pytest.mark.parametrize(
    ("text", "amount_fen"),
    [("¥1,234.5", 123_450), ("￥12元", 1_200), ("100.000", 10_000), ("１００．０１", 10_001), ("+1", 100)],
)
def test_usual_ways_to_write_an_amount(text: str, amount_fen: int) -> None:
    assert read_fen(text) == amount_fen


@pytest.mark.parametrize(
    "text", ["", "1,23.00", "1 ,23", "0.001", "1e3", "一百", "NaN", "1.", ".5", "12,34", "9" * 41, "1-", "$1"]
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an amount|is empty|parts of a fen"):
        read_fen(text)


# ---------------------------------------------------------------- lines


def test_a_line_is_an_anonymous_donation() -> None:
    message = donation(one(a_line(), a_profile()))
    assert message.model_dump(mode="json", exclude_none=True) == {
        "type": "donation",
        "transaction_id": "T1",
        "campaign_id": "gala",
        "amount_fen": 10_000,
        "currency": "CNY",
        "occurred_at": "2027-01-05T12:00:00Z",
        "donor": {"kind": "person", "display": "anonymous", "name": "王小明"},
    }


@pytest.mark.parametrize(
    ("agreed", "display"),
    [("是", "name"), ("昵称", "alias"), ("否", "anonymous"), ("", "anonymous"), ("Y", "anonymous")],
)
def test_a_name_is_shown_only_when_the_consent_column_says_so(agreed: str, display: str) -> None:
    consent = {"column": "附言", "to_name": ["是"], "to_alias": ["昵称"]}
    profile = a_profile(donor={"name": "付款人", "alias": "付款人", "consent": consent})
    assert donation(one(a_line(附言=agreed), profile)).donor.display == display


def test_consent_without_a_name_shows_nothing() -> None:
    consent = {"column": "附言", "to_name": ["是"]}
    profile = a_profile(donor={"name": "付款人", "unnamed": ["匿名"], "consent": consent})
    donor = donation(one(a_line(付款人="匿名", 附言="是"), profile)).donor
    assert (donor.display, donor.name) == ("anonymous", None)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2027-01-05 20:00:00", "2027-01-05T12:00:00Z"),
        ("2027-01-05T20:00:00+09:00", "2027-01-05T11:00:00Z"),
        ("2027-01-05", "2027-01-04T16:00:00Z"),
        ("20270105", "2027-01-04T16:00:00Z"),
        ("2027/1/5 20:00", "2027-01-05T12:00:00Z"),
    ],
)
def test_a_time_is_of_shanghai_unless_it_says_otherwise(text: str, utc: str) -> None:
    profile = a_profile(time={"columns": ["交易时间"], "formats": ["%Y/%m/%d %H:%M"]})
    message = donation(one(a_line(交易时间=text), profile))
    assert message.model_dump(mode="json")["occurred_at"] == utc


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"交易流水号": ""}, "交易流水号: is empty"),
        ({"交易流水号": "王小明"}, "交易流水号: must be 1 to 64 of A-Z, a-z, 0-9 and . _ : -"),
        ({"金额": "0"}, "金额: is not more than zero"),
        ({"金额": "-5.00"}, "金额: is not more than zero"),
        ({"金额": "many"}, "金额: is not an amount"),
        ({"金额": "1000000000000.00"}, "金额: "),
        ({"交易时间": "yesterday"}, "交易时间: is not a time"),
        ({"交易时间": ""}, "交易时间: is empty"),
        ({"交易时间": "2027-02-05"}, "交易时间: is in the future"),
        ({"交易时间": "1999-01-01"}, "交易时间: "),
        ({"付款人": "字" * 65}, "付款人: "),
        ({"付款人": "a\u202eb"}, "付款人: "),
    ],
    ids=str,
)
def test_a_bad_line_says_which_column_and_why_and_never_what_stands_there(
    change: dict[str, str], reason: str
) -> None:
    line = one(a_line(**change), a_profile())
    assert (line.verdict, line.message) == ("bad", None)
    assert line.reasons[0].startswith(reason)
    for value in change.values():
        assert not value or value not in line.reasons[0].removeprefix(reason)


def test_all_that_is_wrong_is_said_at_once() -> None:
    line = one(a_line(金额="x", 交易时间="y", 交易流水号=""), a_profile())
    assert [reason.partition(":")[0] for reason in line.reasons] == ["交易流水号", "金额", "交易时间"]


def test_an_amount_is_in_fen_when_the_profile_says_so() -> None:
    assert (
        donation(one(a_line(金额="1,234"), a_profile(amount={"column": "金额", "unit": "fen"}))).amount_fen
        == 1234
    )


@pytest.mark.parametrize(
    ("campaign", "remark", "given_to"),
    [
        ({"column": "附言"}, "flood-2027", "flood-2027"),
        ({"column": "附言", "otherwise": "gala"}, "", "gala"),
        ({"column": "附言", "by_value": {"237449": "gala"}}, "237449", "gala"),
        ({"column": "附言", "by_word": {"晚会": "gala", "水灾": "flood"}}, "捐慈善晚会", "gala"),
        ({"column": "附言", "by_word": {"水灾": "flood"}, "otherwise": "gala"}, "捐款", "gala"),
        ({"column": "附言", "by_word": {"水灾": "flood"}}, "捐款", None),
        ({"column": "附言", "by_word": {"晚会": "gala", "水灾": "flood"}}, "晚会和水灾", None),
        ({"column": "附言"}, "", None),
        ({"column": "附言"}, "No such id", None),
    ],
)
def test_the_campaign_is_what_the_profile_says(campaign: Any, remark: str, given_to: str | None) -> None:
    line = one(a_line(附言=remark), a_profile(campaign=campaign))
    if given_to is None:
        assert line.reasons[0].startswith("附言: ")
    else:
        assert donation(line).campaign_id == given_to


def test_a_refund_is_a_reversal_of_its_donation() -> None:
    refunds = {"when": {"column": "金额", "is_negative": True}, "original": "附言", "own_id": "交易流水号"}
    message = one(a_line(交易流水号="R1", 金额="-40.00", 附言="T1"), a_profile(refunds=refunds)).message
    assert isinstance(message, ReversalRequest)
    assert (message.reversal_id, message.transaction_id, message.amount_fen) == ("R1", "T1", 4_000)


def test_lines_to_pass_over_are_no_donations() -> None:
    profile = a_profile(
        pass_over=[{"column": "付款人", "is_empty": True}],
        notice=[{"column": "附言", "contains_one_of": ["冲正"]}],
    )
    line = one(a_line(付款人="", 附言="冲正", 金额="x"), profile)
    assert (line.verdict, line.notice) == ("passed_over", True)


def test_another_currency_is_refused() -> None:
    assert one(a_line(附言="USD"), a_profile(currency="附言")).reasons == ("附言: is not CNY",)
    assert one(a_line(附言="人民币"), a_profile(currency="附言")).verdict == "donation"


# ---------------------------------------------------------------- the same line


def test_a_line_that_comes_again_in_its_file_counts_once() -> None:
    first, again, other = checked(csv_of([a_line(), a_line(), a_line(金额="5")]), a_profile())
    assert [first.verdict, again.verdict, other.verdict] == ["donation", "repeated", "bad"]
    assert other.reasons == ("its id stands in the file before, with other content",)


def test_two_equal_lines_without_an_id_are_two_donations_and_the_same_two_in_another_file() -> None:
    first_file = checked(csv_of([a_line(), a_line(), a_line(付款人="李")]), WITHOUT_ID)
    ids = [donation(line).transaction_id for line in first_file]
    assert len(set(ids)) == 3
    longer = checked(csv_of([a_line(付款人="赵"), a_line(), a_line(), a_line(付款人="李")]), WITHOUT_ID)
    assert [donation(line).transaction_id for line in longer][1:] == ids


def test_the_same_line_from_csv_and_from_xlsx_has_the_same_id() -> None:
    (of_csv,) = checked(csv_of([a_line(金额="1,000.00")]), WITHOUT_ID)
    when = datetime(2027, 1, 5, 20)  # noqa: DTZ001 - a cell has no zone
    (of_xlsx,) = checked(xlsx_by_xlsxwriter([("", when, 1000, "王小明", "")]), WITHOUT_ID)
    assert donation(of_csv).transaction_id == donation(of_xlsx).transaction_id


@given(st.lists(st.sampled_from(["王", "李", "赵"]), max_size=12), st.data())
def test_files_that_overlap_by_whole_days_share_the_ids_of_what_they_share(
    donors: list[str], data: st.DataObject
) -> None:
    """Each file has whole days: any two agree on the ids of each day that both have."""
    days = [data.draw(st.integers(1, 3)) for _ in donors]
    lines = sorted((f"2027-01-0{day}", donor) for day, donor in zip(days, donors, strict=True))
    made = [a_line(交易时间=day, 付款人=donor) for day, donor in lines]
    ids: dict[int, list[str]] = {1: [], 2: [], 3: []}
    whole = [donation(line).transaction_id for line in checked(csv_of(made), WITHOUT_ID)]
    assert len(set(whole)) == len(whole)
    for (day, _), own in zip(lines, whole, strict=True):
        ids[int(day[-1])].append(own)
    for first, last in ((1, 1), (2, 2), (2, 3), (1, 2)):
        part = [line for line in made if f"2027-01-0{first}" <= line[1] <= f"2027-01-0{last}"]
        wanted = [own for day in range(first, last + 1) for own in ids[day]]
        assert [donation(line).transaction_id for line in checked(csv_of(part), WITHOUT_ID)] == wanted


def test_a_mended_line_keeps_the_id_it_was_given() -> None:
    first, second = checked(
        csv_of([a_line(), a_line(附言="x" * 201)]),
        a_profile(transaction_id=None, derived_from=["交易时间", "金额", "付款人"], message="附言"),
    )
    assert second.verdict == "bad"
    mended = csv_of([(*a_line(), second.own_id)], header=(*HEADER, OWN_ID))
    (line,) = checked(mended, WITHOUT_ID)
    assert donation(line).transaction_id == second.own_id != donation(first).transaction_id


# ---------------------------------------------------------------- profiles


@pytest.mark.parametrize(
    "wrong",
    [
        "no-such-profile",
        {"base": "no-such-profile"},
        {"base": 1},
        {},
        {"base": "bank-csv", "colour": "red"},
        {"base": "bank-csv", "transaction_id": None, "derived_from": []},
        {"base": "bank-csv", "campaign": {}},
        {"base": "bank-csv", "campaign": {"otherwise": "No Id"}},
        {"base": "bank-csv", "time": {"columns": ["交易日期"], "zone": "Mars/Base"}},
        {"base": "bank-csv", "time": {"columns": ["交易日期"], "zone": "../etc"}},
        {"base": "bank-csv", "pass_over": [{"column": "摘要"}]},
        {"base": "bank-csv", "keep_days": 0},
    ],
    ids=str,
)
def test_a_profile_that_can_not_work_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        profile_of(wrong)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_profile_is_the_same_when_it_was_stored(name: str) -> None:
    profile = profile_of(name)
    assert Profile.model_validate(profile.model_dump(mode="json")) == profile


def test_the_sample_of_tencent_charity() -> None:
    lines = checked((SAMPLES / "tencent-charity.csv").read_bytes(), profile_of("tencent-charity"))
    assert [line.verdict for line in lines] == ["donation", "donation", "donation", "passed_over", "reversal"]
    first = donation(lines[0])
    assert (first.donor.display, first.donor.alias, first.fee_fen) == ("alias", "小满", 60)
    assert donation(lines[1]).donor.alias is None


def test_the_sample_of_a_bank() -> None:
    lines = checked((SAMPLES / "bank.csv").read_bytes(), profile_of("bank-csv"))
    assert [line.verdict for line in lines] == ["donation", "donation", "donation", "passed_over"]
    assert [donation(line).amount_fen for line in lines[:3]] == [5_000_000, 20_000, 20_000]
    assert donation(lines[0]).donor.kind == "company"
    assert len({donation(line).transaction_id for line in lines[:3]}) == 3


def test_the_sample_of_camt_053() -> None:
    lines = checked((SAMPLES / "camt053.xml").read_bytes(), profile_of("camt053"))
    assert [line.verdict for line in lines] == ["donation", "donation", "donation", "passed_over"]
    assert [donation(line).transaction_id for line in lines[:3]] == [
        "20260105A000001",
        "20260105A000002.1",
        "20260105A000002.2",
    ]


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"direction": "DBIT"}, "passed_over"),
        ({"status": "PDNG"}, "passed_over"),
        ({"reversal": "<RvslInd>true</RvslInd>"}, "passed_over"),
        ({"currency": "EUR"}, "bad"),
        ({}, "donation"),
    ],
    ids=str,
)
def test_of_a_camt_only_booked_credits_in_yuan_count(change: dict[str, str], verdict: str) -> None:
    (line,) = checked(camt(entry_02(**change)), profile_of("camt053"))
    assert line.verdict == verdict
