"""What the audit log says of a body: names of fields, and never what stands in them."""

import json

import pytest

from services.console.forwarding import summary_of


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("application/json", b"", ""),
        ("application/json", b"[1, 2]", "a list of 2"),
        ("application/json", b"{", "1 bytes that are not JSON"),
        ("application/json", b"[" * 100_000, "100000 bytes that are not JSON"),
        ("application/json; charset=utf-8", b'{"b": 1, "a": {"c": 2}}', "a.c, b"),
        ("application/json", json.dumps({f"f{i}": 1 for i in range(50)}).encode(), None),
        ("text/csv", b"a,b", "3 bytes of text/csv"),
        ("", b"abc", "3 bytes"),
    ],
    ids=["nothing", "list", "broken", "deep", "object", "many", "file", "unnamed"],
)
def test_a_summary_names_fields_and_no_more(kind: str, body: bytes, said: str | None) -> None:
    found = summary_of(kind, body)
    assert found == said if said is not None else found.endswith("and 20 more")
