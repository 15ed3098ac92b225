"""What a rule says of a donor's message, and what a person's decision makes of it: pure.

A rule can refuse, or let a message wait for a person. It approves only where a campaign has said so, and
never what could be somebody's personal data (Charity Law art. 82; Personal Information Protection Law art.
4, 13): a number or an address that a donor typed may belong to another.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

State = Literal["new", "waiting", "refused_by_rule", "approved", "refused", "withdrawn"]
"""`new`: no rule has looked yet, and nobody is shown it. `withdrawn`: it was shown, and is no longer."""
Verdict = Literal["approve", "refuse", "reopen"]
"""`reopen` takes the last decision back."""
Rule = Literal["word_list", "too_long", "donation_reversed", "consent_withdrawn", "donor_erased", "automatic"]
Match = Literal["exact", "normalised"]
Personal = Literal["id_number", "phone", "digits", "url", "email", "wechat"]

MAX_CHARACTERS: Final = 200
"""What intake takes at most."""
DEFAULT_CHARACTERS: Final = 100
"""What a screen can show in a size that is read from the last row."""

_DIGITS: Final = "0-9零〇一二三四五六七八九十百千万亿两壹贰叁肆伍陆柒捌玖幺"
_COUNTED: Final = str.maketrans("零〇一二三四五六七八九两壹贰叁肆伍陆柒捌玖幺", "0012345678921234567891")
_ID_NUMBER: Final = re.compile(r"\d{17}[\dx]|\d{15}")
_PHONE: Final = re.compile(r"1[3-9]\d{9}|0\d{9,11}|[48]00\d{7}")
_FIGURE: Final = re.compile(r"\d")
_RUN_IN_WORDS: Final = re.compile(f"[{_DIGITS}]{{5,}}")
_URL: Final = re.compile(
    r"https?|www\.|[a-z0-9-]+\s*[.。點点]\s*(?:com|cn|net|org|top|xyz|cc|vip|club|shop|app|io|me|link|site)\b"
)
_EMAIL: Final = re.compile(r"\S@\S")
_WECHAT: Final = re.compile(
    r"微信|薇信|威信号|徽信|v信|wechat|weixin|wxid|\bwx\b|\bvx\b|加v|qq|抖音号|公众号"
)
_ACCOUNT: Final = re.compile(r"[a-z][a-z0-9]*[_-][a-z0-9_-]{2,}")


@dataclass(frozen=True, slots=True)
class Word:
    """A word that no message may have. `exact`: as it is written; `normalised`: however it is disguised."""

    word: str
    match: Match = "normalised"


@dataclass(frozen=True, slots=True)
class CampaignRules:
    """What a campaign has set. From `first_from_fen` on a message stands first in the queue; from
    `required_from_fen` on a person decides even where clean messages are approved automatically.
    """

    automatic: bool = False
    first_from_fen: int | None = None
    required_from_fen: int | None = None
    max_characters: int = DEFAULT_CHARACTERS


@dataclass(frozen=True, slots=True)
class Screening:
    """What the rules say of one message. `word`: the word of the list that was found in it."""

    state: Literal["waiting", "refused_by_rule", "approved"]
    rule: Rule | None = None
    word: str | None = None
    personal: tuple[Personal, ...] = ()
    first: bool = False


class WordList:
    """A version of the list, made ready to look for: 5,000 words take less than half a millisecond."""

    def __init__(self, words: Iterable[Word]) -> None:
        listed = list(words)
        self._exact = [each.word for each in listed if each.match == "exact"]
        normal = ((normalised(each.word), each.word) for each in listed if each.match == "normalised")
        self._normalised = [(found, word) for found, word in normal if found]

    def find(self, text: str) -> str | None:
        """The first word of the list that a text has; None: it is clean."""
        for word in self._exact:
            if word in text:
                return word
        bare = normalised(text)
        return next((word for found, word in self._normalised if found in bare), None)


@lru_cache(maxsize=16)
def normalised(text: str) -> str:
    """A text without its disguises: full width is half width, capitals are small, accents, spaces,
    punctuation, symbols and what has no width are gone. Of one message it is asked twice: kept for that.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(each for each in folded if unicodedata.category(each)[0] in "LN")


def personal_data(text: str) -> tuple[Personal, ...]:
    """What in a text could be personal data. Any figure is, for a person to look at; figures in Chinese from
    five in a row on, for they are words as well: 一路平安.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    bare = normalised(text)
    figures = bare.translate(_COUNTED)
    found: list[Personal] = []
    if _ID_NUMBER.search(figures):
        found.append("id_number")
    if _PHONE.search(figures):
        found.append("phone")
    if _FIGURE.search(bare) or _RUN_IN_WORDS.search(bare):
        found.append("digits")
    if _URL.search(plain):
        found.append("url")
    if _EMAIL.search(plain):
        found.append("email")
    if _WECHAT.search(plain) or _WECHAT.search(bare) or _ACCOUNT.search(plain):
        found.append("wechat")
    return tuple(found)


def screen(
    text: str, amount_fen: int, words: WordList, rules: CampaignRules, *, reopened: bool = False
) -> Screening:
    """What becomes of a message when it comes, and when the rules have changed while it waits. What a person
    has taken back is never approved automatically: a person decides about it again.
    """
    personal = personal_data(text)
    first = rules.first_from_fen is not None and amount_fen >= rules.first_from_fen
    word = words.find(text)
    if word is not None:
        return Screening("refused_by_rule", "word_list", word, personal, first)
    if len(text) > rules.max_characters:
        return Screening("refused_by_rule", "too_long", None, personal, first)
    required = rules.required_from_fen is not None and amount_fen >= rules.required_from_fen
    if rules.automatic and not personal and not required and not reopened:
        return Screening("approved", "automatic", None, personal, first)
    return Screening("waiting", None, None, personal, first)


def decide(state: State, verdict: Literal["approve", "refuse"]) -> State | None:
    """What `verdict` makes of a message in `state`; None: it is so already. What was shown is withdrawn, what
    was not is refused; whatever was refused or withdrawn can be approved after all.
    """
    if verdict == "approve":
        return None if state == "approved" else "approved"
    if state == "approved":
        return "withdrawn"
    return None if state in {"refused", "withdrawn"} else "refused"


@dataclass(frozen=True, slots=True)
class Step:
    """A decision that was made. `by_person`: not by a rule."""

    verdict: Verdict
    state: State
    by_person: bool


def reopen(last: Step | None, before: Step | None) -> State | None:
    """The state in which a message was `before` its `last` decision; `waiting` as well for what a rule had
    refused, which is for `screen` to say again. None: there is nothing to put back. A rule's decision stands,
    and a putting back is not itself put back: decide again.
    """
    if last is None or not last.by_person or last.verdict == "reopen":
        return None
    decided = before is not None and before.state in {"approved", "refused", "withdrawn"}
    return before.state if before is not None and decided else "waiting"
