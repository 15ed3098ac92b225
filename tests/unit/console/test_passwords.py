"""What a password's hash costs whoever has stolen it."""

from argon2 import extract_parameters

from services.console import passwords
from services.console.passwords import hash_password


def test_a_hash_is_argon2id_and_takes_64_mib() -> None:
    """At least what RFC 9106 recommends where memory is short (section 4, second choice)."""
    kind, version, cost = hash_password("correct horse battery staple").split("$")[1:4]
    assert (kind, version) == ("argon2id", "v=19")
    costs = {name: int(value) for name, value in (each.split("=") for each in cost.split(","))}
    assert costs["m"] >= 65_536
    assert costs["t"] >= 3
    assert costs["p"] >= 4


def test_an_unknown_names_password_is_compared_at_the_same_cost() -> None:
    nobodys = extract_parameters(passwords._dummy)
    assert nobodys == extract_parameters(hash_password("correct horse battery staple"))
