"""Amounts in Chinese capital numerals (人民币大写), as vouchers have to state them.

Source: the People's Bank of China's basic rules for filling in bills and settlement vouchers (正确填写票据和
结算凭证的基本规定, annex 1 of 支付结算办法, 1997). Where they leave a choice, its first example is followed.
"""

from typing import Final

from shared.money import FEN_PER_YUAN, MAX_AMOUNT_FEN

_DIGITS: Final = "零壹贰叁肆伍陆柒捌玖"
_PLACES: Final = ("", "拾", "佰", "仟")
_GROUPS: Final = ("", "万", "亿")
"""Groups of four digits, the lowest first: 12 digits of yuan hold MAX_AMOUNT_FEN."""


def in_capitals(amount_fen: int) -> str:
    """Write an amount of 1 … MAX_AMOUNT_FEN fen: 140_950 → "人民币壹仟肆佰零玖元伍角".

    整 stands after whole yuan. A 零 stands for each run of zeros between two digits, but not where a group of
    four ends in zeros and the next begins at its 仟 (107,000 is 壹拾万柒仟元).
    """
    assert 1 <= amount_fen <= MAX_AMOUNT_FEN
    yuan, fen = divmod(amount_fen, FEN_PER_YUAN)
    return f"人民币{_yuan(yuan)}{_parts(yuan, *divmod(fen, 10))}"


def _yuan(yuan: int) -> str:
    if yuan == 0:
        return ""
    text = ""
    skipped = False
    for position in reversed(range(len(_GROUPS))):
        group = yuan // 10_000**position % 10_000
        if group == 0:
            skipped = skipped or text != ""
            continue
        if text and (skipped or group < 1_000):
            text += _DIGITS[0]
        text += _group(group) + _GROUPS[position]
        skipped = False
    return text + "元"


def _group(group: int) -> str:
    """Four digits: 1_409 → 壹仟肆佰零玖."""
    text = ""
    zero = False
    for place in reversed(range(4)):
        digit = group // 10**place % 10
        if digit == 0:
            zero = text != ""
            continue
        text += (_DIGITS[0] if zero else "") + _DIGITS[digit] + _PLACES[place]
        zero = False
    return text


def _parts(yuan: int, jiao: int, fen: int) -> str:
    """What stands after 元: 整, or 角 and 分, with a 零 for the zero before them."""
    if jiao == fen == 0:
        return "整"
    zero = _DIGITS[0] if yuan and (jiao == 0 or yuan % 10 == 0) else ""
    tenths = f"{_DIGITS[jiao]}角" if jiao else ""
    hundredths = f"{_DIGITS[fen]}分" if fen else ""
    return f"{zero}{tenths}{hundredths}"
