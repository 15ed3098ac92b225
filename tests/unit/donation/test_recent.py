"""What an API process remembers, so that it can answer a conflict at once."""

from services.donation.accepting import Recent


def test_the_same_content_does_not_differ_and_another_does() -> None:
    recent = Recent()
    assert not recent.differs("t-1", b"a")
    recent.note("t-1", b"a")
    assert not recent.differs("t-1", b"a")
    assert recent.differs("t-1", b"b")
    assert not recent.differs("t-2", b"b")


def test_the_oldest_is_forgotten_at_the_bound() -> None:
    recent = Recent(size=3)
    for key in ("a", "b", "c"):
        recent.note(key, b"1")
    recent.note("a", b"1")  # seen again: the newest now
    recent.note("d", b"1")
    assert [key for key in "abcd" if key in recent] == ["a", "c", "d"]
    for n in range(1_000):
        recent.note(n, b"1")
    assert sum(key in recent for key in [*"abcd", *range(1_000)]) == 3
