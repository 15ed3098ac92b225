"""Channels' secrets at rest, and their limits."""

import base64
import secrets

import pytest
from cryptography.exceptions import InvalidTag

from services.donation.channels.limits import Bucket
from services.donation.signatures import new_secret
from shared.secret_box import SecretBox


def a_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def test_a_secret_comes_out_as_it_went_in_and_is_never_sealed_the_same_twice() -> None:
    box, secret = SecretBox(a_key()), new_secret()
    first, second = box.seal("wechat", secret), box.seal("wechat", secret)
    assert first != second
    assert box.open("wechat", first) == box.open("wechat", second) == secret
    assert secret.encode() not in first
    assert base64.b64decode(secret.removeprefix("whsec_")) not in first


def test_another_key_does_not_open_it() -> None:
    sealed = SecretBox(a_key()).seal("wechat", new_secret())
    with pytest.raises(InvalidTag):
        SecretBox(a_key()).open("wechat", sealed)


def test_another_channel_does_not_open_it() -> None:
    """A row that is copied to another channel gives that channel nobody's secret."""
    box = SecretBox(a_key())
    with pytest.raises(InvalidTag):
        box.open("alipay", box.seal("wechat", new_secret()))


@pytest.mark.parametrize("position", [0, 11, 12, 30, -1])
def test_a_changed_byte_is_noticed(position: int) -> None:
    box = SecretBox(a_key())
    sealed = bytearray(box.seal("wechat", new_secret()))
    sealed[position] ^= 1
    with pytest.raises(InvalidTag):
        box.open("wechat", bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"short", b"\0" * 12, b"\0" * 27])
def test_what_is_too_short_to_be_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(InvalidTag):
        SecretBox(a_key()).open("wechat", sealed)


@pytest.mark.parametrize("key", ["", "AAAA", "*", base64.b64encode(b"k" * 31).decode(), "王"])
def test_a_key_that_is_not_32_bytes_in_base64_is_refused(key: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - binascii.Error is one
        SecretBox(key)


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000.0
        monkeypatch.setattr("time.monotonic", lambda: self.now_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def taken(bucket: Bucket, times: int) -> int:
    return sum(bucket.take() for _ in range(times))


def test_a_bucket_gives_a_second_s_worth_at_once_and_then_no_more(clock: Clock) -> None:
    assert taken(Bucket(10, at_s=clock.now_s), 25) == 10


def test_a_bucket_fills_with_time_and_not_beyond_its_size(clock: Clock) -> None:
    bucket = Bucket(10, at_s=clock.now_s)
    taken(bucket, 10)
    clock.now_s += 0.5
    assert taken(bucket, 25) == 5
    clock.now_s += 3_600
    assert taken(bucket, 25) == 10


def test_many_small_steps_give_what_one_large_step_gives(clock: Clock) -> None:
    bucket = Bucket(100, at_s=clock.now_s)
    taken(bucket, 100)
    given = 0
    for _ in range(1_000):
        clock.now_s += 0.001
        given += taken(bucket, 1)
    assert given in {99, 100}


def test_the_smallest_bucket_gives_one_a_second(clock: Clock) -> None:
    bucket = Bucket(1, at_s=clock.now_s)
    assert taken(bucket, 5) == 1
    clock.now_s += 0.99
    assert taken(bucket, 5) == 0
    clock.now_s += 0.02
    assert taken(bucket, 5) == 1


def test_a_batch_is_taken_whole_or_not_at_all(clock: Clock) -> None:
    bucket = Bucket(10, at_s=clock.now_s)
    assert bucket.take(7)
    assert not bucket.take(4)
    assert bucket.wait_s(4) == 1
    assert bucket.take(3), "what was refused has cost nothing"


def test_a_batch_larger_than_the_limit_is_paid_for_afterwards(clock: Clock) -> None:
    bucket = Bucket(10, at_s=clock.now_s)
    assert bucket.take(35)
    for second in range(2, -1, -1):
        assert not bucket.take()
        assert bucket.wait_s() == second + 1
        clock.now_s += 1
    assert not bucket.take(35), "only a full bucket takes more than it holds"
    clock.now_s += 0.5
    assert bucket.take(35)
