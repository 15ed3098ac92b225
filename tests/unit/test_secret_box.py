"""What is sealed opens with each of the keys, for its owner alone; an older key's is sealed anew."""

import base64

import pytest
from cryptography.exceptions import InvalidTag

from shared.secret_box import SecretBox

OLD, NEW, OTHER = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3))


def test_both_keys_open_while_a_key_is_renewed() -> None:
    before = SecretBox(OLD).seal("wechat", "whsec_a")
    both = SecretBox(f"{NEW}, {OLD}")
    assert both.open("wechat", before) == "whsec_a"
    after = both.seal("wechat", "whsec_b")
    assert SecretBox(NEW).open("wechat", after) == "whsec_b", "sealed with the first"
    # Where the new key is known and does not seal yet, what others seal with it already opens.
    assert SecretBox(f"{OLD},{NEW}").open("wechat", after) == "whsec_b"


def test_what_an_older_key_sealed_is_sealed_anew_once() -> None:
    both = SecretBox(f"{NEW},{OLD}")
    anew = both.sealed_anew("wechat", SecretBox(OLD).seal("wechat", "whsec_a"))
    assert anew is not None
    assert SecretBox(NEW).open("wechat", anew) == "whsec_a"
    assert both.sealed_anew("wechat", anew) is None


@pytest.mark.parametrize(("keys", "owner"), [(OTHER, "wechat"), (f"{NEW},{OLD}", "alipay")])
def test_another_key_or_owner_opens_nothing(keys: str, owner: str) -> None:
    sealed = SecretBox(OLD).seal("wechat", "whsec_a")
    for look in (SecretBox(keys).open, SecretBox(keys).sealed_anew):
        with pytest.raises(InvalidTag):
            look(owner, sealed)


@pytest.mark.parametrize("keys", ["", "c2hvcnQ=", f"{OLD},", f"{OLD},c2hvcnQ="])
def test_a_key_that_is_none_is_refused(keys: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SecretBox(keys)
