"""Ids of pledges and disbursements."""

from services.campaign.identifiers import new_id


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [new_id() for _ in range(100)]
    assert len(set(ids)) == 100
    assert {each.version for each in ids} == {7}
    milliseconds = [each.int >> 80 for each in ids]
    assert milliseconds == sorted(milliseconds)
