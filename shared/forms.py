"""What a pattern asks for, in words with an example: told to whoever sends something else."""

from typing import Final

_WORDS: Final[dict[str, str]] = {}


def form(pattern: str, words: str) -> str:
    """The pattern, whose `words` complete "must be …" and end with an example; declared where it is used."""
    known = _WORDS.setdefault(pattern, words)
    assert known == words, f"{pattern} is said in two ways"
    return pattern


def words_of(pattern: str) -> str | None:
    """What a pattern asks for; None: nobody has said."""
    return _WORDS.get(pattern)


SHA256: Final = form(
    "^[0-9a-f]{64}$",
    "a SHA-256 in hex, 64 of 0-9 and a-f, such as"
    " e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
)
