"""What lies on the county federations' books in 2023: parts of the city's campaigns, and their own projects.

The seed says of the counties only what they make together with the city; how it is shared out is made here,
by the weights of federation.py.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from deploy.year import city, people, seed
from deploy.year.federation import COUNTIES, NAMES, NAMES_EN, WEIGHTS
from deploy.year.sharing import shared
from deploy.year.terms import Campaign, Gift, Goods, Handout, Payment, Placard, Policy
from shared.events.campaigns import BeneficiaryUnit
from shared.money import FEN_PER_WAN, parse_cn

PROJECTS: Final = seed.PROJECTS - seed.CITY_PROJECTS
ONLINE_PROJECTS: Final = 30
"""How many of their projects raise online, three a county, each in a fortnight of its own."""

_THEMES: Final = ("助餐", "助学", "助医", "助残", "敬老", "护幼", "济困", "社区互助", "乡村振兴", "环保公益")
_DRIVE_GOODS: Final = (
    ("冬衣", "件", 4_500, "45万"),
    ("粮油礼包", "份", 6_000, "60万"),
    ("康复器材", "套", 800, "80万"),
)
_CLUSTER_MONEY: Final = seed.ILLNESS - city.CLUSTER_MEDICINES - city.CLUSTER_INSURANCE


def parts() -> Iterator[Campaign]:
    """The counties' parts of the city's campaigns, without what is given online."""
    yield from _drive()
    yield from _quake()
    yield from _illness()
    yield from _shared_out(
        "visits", "春节慰问", seed.VISITS, helped=seed.VISITED, unit="person_times", day=date(2023, 1, 16)
    )
    yield from _shared_out(
        "study", "助学圆梦", seed.STUDY, helped=seed.STUDENTS, unit="person_times", day=date(2023, 8, 28)
    )
    yield from _shared_out(
        "cornea",
        "角膜移植救助",
        seed.CORNEA,
        helped=seed.CORNEA_PATIENTS,
        unit="person_times",
        day=date(2023, 10, 20),
    )
    yield from _shared_out(
        "bright",
        "残疾人家庭住房改造",
        seed.BRIGHT,
        helped=seed.BRIGHT_HOMES,
        unit="households",
        day=date(2023, 11, 10),
    )
    yield _one("solar", "huqiu", "光伏帮扶", seed.SOLAR, helped=seed.SOLAR_HOMES, unit="households")
    yield _one("university", "jinjihu", "人才学科建设", seed.UNIVERSITY, helped=1, unit="schools")
    yield _one("biomedical", "dushuhu", "生物医学研究", seed.BIOMEDICAL, helped=1, unit="schools")
    yield from _books_and_clothes()


def projects(
    online_fen: Sequence[int], gifts_fen: Sequence[int], spent_fen: Sequence[int]
) -> Iterator[Campaign]:
    """The counties' own projects: what each is given by bank and what it spends; the first ONLINE_PROJECTS
    also have an amount that is given online.
    """
    counts = shared(PROJECTS - ONLINE_PROJECTS, WEIGHTS)
    counties = [county for county in COUNTIES for _ in range(ONLINE_PROJECTS // len(COUNTIES))]
    counties += [county for county, count in zip(COUNTIES, counts, strict=True) for _ in range(count)]
    for number, county in enumerate(counties):
        theme = _THEMES[number % len(_THEMES)]
        day = date(2023, 2, 1) + timedelta(days=number % 240)
        halves = shared(gifts_fen[number], (3, 2)) if gifts_fen[number] else []
        yield Campaign(
            f"{county}-{number + 1:03d}",
            county,
            "programme",
            f"{NAMES[county]}{theme}项目 {number + 1:03d} 号",
            f"Programme {number + 1} of {NAMES_EN[county]}",
            (f"{theme}帮扶",),
            gifts=tuple(
                Gift(
                    people.company(100 + (7 * number + half) % 400),
                    amount_fen,
                    day + timedelta(days=20 * half),
                )
                for half, amount_fen in enumerate(halves)
            ),
            payments=(
                Payment(
                    spent_fen[number],
                    f"{theme}帮扶",
                    "示例服务机构",
                    day + timedelta(days=80),
                    20 + number * 13 % 400,
                    "person_times",
                ),
            ),
        )
    assert len(online_fen) == ONLINE_PROJECTS


def _drive() -> Iterator[Campaign]:
    """30 of the 31 placards, three of them of goods; every one is kept within the year."""
    goods_fen = [parse_cn(text) for *_, text in _DRIVE_GOODS]
    money_wan = (seed.DRIVE_PROMISED - city.DRIVE_CITY_PLACARD - sum(goods_fen)) // FEN_PER_WAN
    amounts_fen = [
        wan * FEN_PER_WAN for wan in shared(money_wan, [9 + 5 * n % 17 for n in range(27)], least=10)
    ]
    for index, county in enumerate(COUNTIES):
        own = amounts_fen[index::10]
        donors = [people.company(45 + index + 10 * n) for n in range(3)]
        placards = [
            Placard(f"{n + 1:02d}", donors[n], amount_fen, date(2023, 12, 31))
            for n, amount_fen in enumerate(own)
        ]
        goods: list[Goods] = []
        if index >= 7:  # two placards of money and one of goods
            description, unit, quantity, text = _DRIVE_GOODS[index - 7]
            handouts = (
                Handout(quantity, "扶老助残", "示例街道", date(2023, 11, 1), quantity // 2, "person_times"),
            )
            promised = Goods(
                donors[2],
                description,
                "other",
                quantity,
                unit,
                parse_cn(text),
                "invoice",
                f"OD-2023-{index}",
                date(2023, 6, 20),
                handouts,
                placard="03",
            )
            goods.append(promised)
            placards.append(Placard("03", donors[2], promised.value_fen, date(2023, 12, 31), promised))
        received_fen = sum(own)
        spent_fen = received_fen * 6 // 10
        yield _part(
            "drive",
            county,
            ("扶老助残", "助学圆梦", city.AID),
            kind="annual_drive",
            first=date(2023, 5, 8),
            placards=tuple(placards),
            gifts=tuple(
                Gift(each.company, each.amount_fen, date(2023, 5, 20), placard=each.number)
                for each in placards
                if each.goods is None
            ),
            goods=tuple(goods),
            payments=(
                Payment(spent_fen, "扶老助残", "示例街道", date(2023, 10, 10), 900 + index, "person_times"),
            ),
        )


def _quake() -> Iterator[Campaign]:
    amounts = shared(seed.QUAKE - city.QUAKE_CITY, WEIGHTS)
    for county, amount_fen in zip(COUNTIES, amounts, strict=True):
        helped = amount_fen // 40_000
        yield _part(
            "quake",
            county,
            ("棉服等物资采购",),
            kind="emergency_appeal",
            first=date(2023, 12, 19),
            payments=(
                Payment(
                    amount_fen, "棉服等物资采购", "示例服装公司", date(2023, 12, 28), helped, "person_times"
                ),
            ),
        )


def _illness() -> Iterator[Campaign]:
    """Money and insurance of the cluster 助医恤病; the medicines are the city's."""
    money = shared(_CLUSTER_MONEY, WEIGHTS)
    premiums = shared(city.CLUSTER_INSURANCE, (1,) * (2 + seed.RENEWALS))
    policies = _policies(premiums)
    for index, (county, amount_fen) in enumerate(zip(COUNTIES, money, strict=True)):
        own = policies[index :: len(COUNTIES)]
        premium_fen = sum(policy.premium_fen for policy in own)
        yield _part(
            "illness-aid",
            county,
            (city.AID, "慈善保险"),
            gifts=(Gift(people.company(60 + index), amount_fen + premium_fen, date(2023, 1, 10)),),
            payments=(
                Payment(
                    amount_fen,
                    city.AID,
                    "困难患病群众（示例）",
                    date(2023, 9, 9),
                    300 + index,
                    "person_times",
                ),
            ),
            policies=tuple(own),
        )


def _policies(premiums_fen: Sequence[int]) -> list[Policy]:
    """Two new policies and the renewals; one claim reaches the largest amount that the report tells."""
    people_of = shared(seed.RENEWED_PEOPLE, [20 + 3 * n % 11 for n in range(seed.RENEWALS)])
    cap_fen = seed.LARGEST_CLAIM
    new = [
        Policy(
            "医惠保",
            "示例人寿",
            premiums_fen[0],
            ((seed.LOW_INCOME, seed.NEW_LOW_INCOME),),
            renewed=False,
            cap_fen=cap_fen,
        ),
        Policy(
            "军人意外伤害险",
            "示例财险",
            premiums_fen[1],
            ((seed.SOLDIERS, seed.NEW_SOLDIERS),),
            renewed=False,
            cap_fen=cap_fen,
        ),
    ]
    return new + [
        Policy(
            f"慈善保险续保 {number:02d}",
            "示例人寿" if number % 2 else "示例财险",
            premiums_fen[1 + number],
            (("困难群众", count),),
            renewed=True,
            cap_fen=cap_fen,
            claims_fen=(cap_fen, 1_234_500) if number == 1 else (50_000 * number,),
        )
        for number, count in enumerate(people_of, 1)
    ]


def _shared_out(
    parent: str, use: str, amount_fen: int, *, helped: int, unit: BeneficiaryUnit, day: date
) -> Iterator[Campaign]:
    """A programme that every county carries out: money and people by the counties' weights."""
    amounts, counts = shared(amount_fen, WEIGHTS), shared(helped, WEIGHTS, least=1)
    for index, (county, amount, count) in enumerate(zip(COUNTIES, amounts, counts, strict=True)):
        yield _part(
            parent,
            county,
            (use,),
            gifts=(Gift(people.company(70 + index), amount, date(2023, 1, 5)),),
            payments=(Payment(amount, use, "困难群众（示例）", day, count, unit),),
        )


def _one(
    parent: str, county: str, use: str, amount_fen: int, *, helped: int, unit: BeneficiaryUnit
) -> Campaign:
    """A programme that one county carries out."""
    return _part(
        parent,
        county,
        (use,),
        gifts=(Gift(people.FAMILY_FOUNDATION, amount_fen, date(2023, 4, 3)),),
        payments=(Payment(amount_fen, use, "示例单位", date(2023, 9, 18), helped, unit),),
    )


def _books_and_clothes() -> Iterator[Campaign]:
    """In kind: what went out in books, clothes and a CT scanner."""
    books = 301_000
    places = (("新疆阿图什市", 20), ("西藏林周县", 14), ("陕西周至县", 16), ("江苏宿迁市", 20))
    assert sum(schools for _, schools in places) == seed.BOOK_SCHOOLS
    yield _part(
        "books",
        "pingjiang",
        ("图书捐赠",),
        goods=(
            Goods(
                "示例出版社",
                "图书",
                "books",
                books,
                "册",
                seed.BOOKS,
                "invoice",
                "BK-2023",
                date(2023, 4, 23),
                tuple(
                    Handout(count, "图书捐赠", f"{place}学校", date(2023, 9, 1), schools, "schools")
                    for (place, schools), count in zip(
                        places, shared(books, [schools for _, schools in places]), strict=True
                    )
                ),
            ),
        ),
    )
    pieces = shared(51_107, (3, 2))
    clothed = shared(seed.CLOTHED, (3, 2))
    yield _part(
        "clothes",
        "canglang",
        ("衣物捐赠",),
        goods=(
            Goods(
                "示例服饰有限公司",
                "冬衣",
                "clothing",
                sum(pieces),
                "件",
                seed.CLOTHES,
                "appraisal",
                "CL-2023",
                date(2023, 10, 8),
                tuple(
                    Handout(count, "衣物捐赠", place, date(2023, 11, 20), people_helped, "person_times")
                    for place, count, people_helped in zip(
                        ("河南信阳", "安徽阜阳"), pieces, clothed, strict=True
                    )
                ),
            ),
        ),
    )
    yield _part(
        "scanner",
        "huqiu",
        ("医疗设备捐赠",),
        goods=(
            Goods(
                "示例医疗器械公司",
                "CT医疗设备",
                "equipment",
                1,
                "台",
                seed.SCANNER,
                "invoice",
                "CT-2023",
                date(2023, 6, 6),
                (Handout(1, "医疗设备捐赠", "社区卫生服务中心（示例）", date(2023, 7, 7), 1, "schools"),),
            ),
        ),
    )


_PARENTS: Final = {
    "drive": "慈善一日捐",
    "quake": "甘肃地震应急救援",
    "illness-aid": "助医恤病",
    "visits": "情暖苏城",
    "study": "助学圆梦",
    "cornea": "角膜盲症救助",
    "bright": "幸福亮居",
    "solar": "慈善光伏照万家",
    "books": "书海扬帆",
    "clothes": "衣物捐赠",
    "scanner": "CT设备捐赠",
    "university": "大学人才学科建设",
    "biomedical": "生物医学研究",
}


def _part(parent: str, county: str, uses: Sequence[str], **terms: object) -> Campaign:
    """A county's part of a campaign of the city."""
    given: dict[str, object] = {"kind": "programme", **terms}
    return Campaign(
        key=f"{parent}-{county}",
        organisation=county,
        title=f"{_PARENTS[parent]}（{NAMES[county]}）",
        title_en=f"{NAMES_EN[county]} part",
        uses=uses,
        parent=parent,
        part="county",
        **given,  # type: ignore[arg-type]
    )
