"""Made names: companies, offices, foundations, suppliers. None of them is a real one."""

from typing import Final

_PLACES: Final = (
    "太湖",
    "姑苏",
    "金鸡湖",
    "运河",
    "虎丘",
    "阳澄湖",
    "平江",
    "石湖",
    "沧浪",
    "独墅湖",
    "尹山",
    "浒墅",
)
_TRADES: Final = (
    "实业",
    "纺织",
    "科技",
    "物流",
    "食品",
    "农业",
    "建筑",
    "医药",
    "机械",
    "电子",
    "置业",
    "文旅",
    "化工",
)
FAMILY_NAMES: Final = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN_NAMES: Final = (
    "伟",
    "芳",
    "娜",
    "敏",
    "静",
    "秀英",
    "丽",
    "强",
    "磊",
    "洋",
    "艳",
    "勇",
    "杰",
    "涛",
    "明",
    "霞",
)

FAMILY_FOUNDATION: Final = "泰和公益基金会（示例）"
CARE_FOUNDATION: Final = "溢彩公益基金会（示例）"
CIVIL_AFFAIRS: Final = "姑苏市民政局（示例）"
PROSECUTORS: Final = "姑苏市检察院（示例）"
GROUP: Final = "通和集团有限公司（示例）"


def company(number: int) -> str:
    """The company of a number; the first 156 differ in name, later ones have a number in it."""
    place, trade = _PLACES[number % len(_PLACES)], _TRADES[number // len(_PLACES) % len(_TRADES)]
    turn = number // (len(_PLACES) * len(_TRADES))
    return f"姑苏{place}{trade}{turn + 1 if turn else ''}有限公司（示例）"


def person(number: int) -> str:
    """The name of a made person."""
    given, family = divmod(number, len(FAMILY_NAMES))
    return FAMILY_NAMES[family] + GIVEN_NAMES[given % len(GIVEN_NAMES)]
