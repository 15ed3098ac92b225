"""The organisations of the year, made: a city federation with ten county federations below it."""

from typing import Final

from deploy.year.terms import Organisation

CITY: Final = "city"

_COUNTIES: Final = (
    ("pingjiang", "平江区", "Pingjiang", 15),
    ("canglang", "沧浪区", "Canglang", 14),
    ("jinchang", "金阊区", "Jinchang", 12),
    ("taihu", "太湖区", "Taihu", 11),
    ("huqiu", "虎丘区", "Huqiu", 10),
    ("yangcheng", "阳澄县", "Yangcheng", 9),
    ("shihu", "石湖区", "Shihu", 9),
    ("yunhe", "运河区", "Yunhe", 8),
    ("jinjihu", "金鸡湖区", "Jinjihu", 7),
    ("dushuhu", "独墅湖区", "Dushuhu", 5),
)

COUNTIES: Final = tuple(key for key, *_ in _COUNTIES)
WEIGHTS: Final = tuple(weight for *_, weight in _COUNTIES)
"""How large they are beside each other: what is shared out among the counties is shared by these."""
NAMES: Final = {key: name for key, name, *_ in _COUNTIES}
NAMES_EN: Final = {key: name for key, _, name, _ in _COUNTIES}

ORGANISATIONS: Final = (
    Organisation(
        CITY, "姑苏市慈善总会（示例）", "Gusu Charity Federation (sample)", "慈募证第 0000 号（示例）"
    ),
    *(
        Organisation(
            key,
            f"姑苏市{name}慈善会（示例）",
            f"{english} Charity Federation, Gusu (sample)",
            f"慈募证第 {number:04d} 号（示例）",
            parent=CITY,
        )
        for number, (key, name, english, _) in enumerate(_COUNTIES, 1)
    ),
)
