"""What a password's hash costs whoever has stolen it."""

from services.console.passwords import hash_password


def test_a_hash_is_argon2id_and_takes_64_mib() -> None:
    """At least what RFC 9106 recommends where memory is short (section 4, second choice)."""
    kind, version, cost = hash_password("correct horse battery staple").split("$")[1:4]
    assert (kind, version) == ("argon2id", "v=19")
    costs = {name: int(value) for name, value in (each.split("=") for each in cost.split(","))}
    assert costs["m"] >= 65_536
    assert costs["t"] >= 3
    assert costs["p"] >= 4
