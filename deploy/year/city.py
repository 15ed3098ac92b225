"""What the city federation did itself in 2023: on its own books, or as the parent of what counties carry out.

The seed gives the city 1.41亿 in, of which medicines are 1.21亿, and 1.32亿 out. That leaves 2000万 of money
in and 1100万 out; what the report names beside the medicines is far more. So the scenario says: much of it is
carried out with the counties and lies on their books. There the city's campaign is the parent and holds
nothing, its parts (counties.py) hold the money, and together they are the figure of the report.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from deploy.year import people, seed
from deploy.year.federation import CITY
from deploy.year.sharing import shared
from deploy.year.terms import Campaign, Gift, Goods, Handout, Payment, Placard
from shared.money import parse_cn

AID: Final = "助医恤病"
CANCER: Final = "抗癌药品援助"
CLUSTER_MEDICINES: Final = parse_cn("2104万")
"""The part of the medicines that belongs to the cluster 助医恤病: the report counts medicines, money and
insurance in its 3104万."""
CLUSTER_INSURANCE: Final = parse_cn("300万")

QUAKE_CITY: Final = parse_cn("60万")
DRIVE_CITY_PLACARD: Final = parse_cn("100万")
DRIVE_CITY_ONLINE: Final = parse_cn("50万")

_GALA_WAN: Final = (1000, 800, 600, 500, 500, 400, 300, 300, 200, 200, 150, 150, 100, 100, 75, 60, 40)
_GALA_KEPT: Final = {"14": "30万", "15": "75万", "16": "60万", "17": "40万"}
"""What was paid within the year on which placard: the report is silent; the rest is due later."""

_SMALL_THEMES: Final = (
    "安宁疗护",
    "听障儿童",
    "先心病儿童",
    "残疾儿童康复",
    "心理关爱",
    "孤独老人",
    "新业态女性",
    "暖心驿站",
    "公益体检",
    "社工服务",
)
_SMALL_MANAGEMENT: Final = parse_cn("2万")


def named() -> Iterator[Campaign]:
    """The campaigns that the report names, without what is given online (scenario.py shares that out)."""
    yield _gala()
    yield _drive()
    yield from _appeals()
    yield _judicial()
    yield from _elders()
    yield from _others()
    yield from _medicines()
    yield from _parents()


def small(count: int, amounts_fen: Sequence[int], spent_fen: Sequence[int]) -> Iterator[Campaign]:
    """The programmes that the report counts and does not name, with made titles and what each spends."""
    for number in range(count):
        theme = _SMALL_THEMES[number % len(_SMALL_THEMES)]
        use = f"{theme}帮扶"
        payment = Payment(
            spent_fen[number], use, "示例服务机构", date(2023, 12, 15), 5 + number % 20, "person_times"
        )
        yield Campaign(
            f"city-{number + 1:02d}",
            CITY,
            "programme",
            f"{theme}项目（{number // len(_SMALL_THEMES) + 1}期）",
            f"Programme {number + 1} of the city",
            (use,),
            first=date(2023, 1, 1),
            payments=(payment,) if amounts_fen[number] else (),
        )


def _gala() -> Campaign:
    """It stays open: what is promised is due until 2025, and what is given to a closed campaign is held."""
    placards = tuple(
        Placard(
            f"{number:02d}",
            people.company(number),
            wan * 10**6,
            date(2023 if str(number) in _GALA_KEPT else 2025, 12, 31),
        )
        for number, wan in enumerate(_GALA_WAN, 1)
    )
    gifts = tuple(
        Gift(people.company(int(number)), parse_cn(text), date(2023, 3, int(number)), placard=number)
        for number, text in _GALA_KEPT.items()
    )
    return Campaign(
        "gala",
        CITY,
        "gala",
        "2023新年慈善晚会",
        "New Year Charity Gala 2023",
        (AID, "助学圆梦"),
        placards=placards,
        gifts=gifts,
    )


def _drive() -> Campaign:
    """The city's own part of the One-Day Drive; the counties' are its parts."""
    company = people.company(31)
    return Campaign(
        "drive",
        CITY,
        "annual_drive",
        "第二十二届“同在蓝天下——慈善一日捐”",
        "22nd One-Day Drive",
        ("扶老助残", "助学圆梦", AID),
        first=date(2023, 5, 8),
        closed_on=date(2023, 6, 30),
        placards=(Placard("01", company, DRIVE_CITY_PLACARD, date(2023, 12, 31)),),
        gifts=(Gift(company, DRIVE_CITY_PLACARD, date(2023, 5, 20), placard="01"),),
    )


def _appeals() -> Iterator[Campaign]:
    relief = "救灾物资采购"
    yield Campaign(
        "flood",
        CITY,
        "emergency_appeal",
        "驰援京冀防汛救灾",
        "Beijing-Hebei flood appeal",
        (relief,),
        first=date(2023, 8, 1),
        closed_on=date(2023, 8, 31),
        purpose="应急救援",
        beneficiaries="京冀受灾群众",
        payments=(
            Payment(parse_cn("300万"), relief, "示例物资公司", date(2023, 8, 16), 12_000, "person_times"),
            Payment(
                seed.FLOOD - parse_cn("300万"),
                relief,
                "示例物资公司",
                date(2023, 8, 25),
                9_000,
                "person_times",
            ),
        ),
    )
    coats = "棉服等物资采购"
    yield Campaign(
        "quake",
        CITY,
        "emergency_appeal",
        "甘肃地震应急救援",
        "Gansu Jishishan earthquake appeal",
        (coats,),
        first=date(2023, 12, 19),
        closed_on=date(2023, 12, 31),
        purpose="应急救援",
        beneficiaries="积石山县受灾群众",
        payments=(Payment(QUAKE_CITY, coats, "示例服装公司", date(2023, 12, 28), 1_500, "person_times"),),
    )
    comfort = "慰问伤亡群众"
    yield Campaign(
        "suqian-yancheng",
        CITY,
        "emergency_appeal",
        "支援宿迁、盐城抗击灾情",
        "Aid for Suqian and Yancheng",
        (comfort,),
        first=date(2023, 9, 1),
        closed_on=date(2023, 9, 30),
        purpose="应急救援",
        beneficiaries="宿迁、盐城受灾群众",
        gifts=(Gift(people.company(40), seed.SUQIAN + seed.YANCHENG, date(2023, 9, 20)),),
        payments=(
            Payment(seed.SUQIAN, comfort, "宿迁市慈善总会（示例）", date(2023, 9, 23), 60, "person_times"),
            Payment(seed.YANCHENG, comfort, "盐城市慈善总会（示例）", date(2023, 9, 23), 50, "person_times"),
        ),
    )


def _judicial() -> Campaign:
    partners = ("姑苏市慈善总会自有资金（示例）", people.PROSECUTORS, people.GROUP)
    use = "司法救助"
    return Campaign(
        "judicial",
        CITY,
        "programme",
        "司法救助专项基金",
        "Judicial aid fund",
        (use,),
        beneficiaries="困难的残疾人、未成年人等重点对象",
        named_fund="为困难的残疾人、未成年人等重点对象开展司法救助帮扶",
        gifts=tuple(
            Gift(partner, part, date(2023, 2, 1))
            for partner, part in zip(
                partners, shared(seed.JUDICIAL_FUND, (1,) * seed.JUDICIAL_PARTNERS), strict=True
            )
        ),
        payments=tuple(
            Payment(part, use, "司法救助对象（示例）", date(2023, month, 15), victims, "person_times")
            for month, part, victims in zip(
                (4, 7, 10), shared(seed.JUDICIAL, (1, 1, 1)), shared(seed.VICTIMS, (1, 1, 1)), strict=True
            )
        ),
    )


def _elders() -> Iterator[Campaign]:
    alarms, adapted = shared(seed.ALARMS, (60, 40))
    yield Campaign(
        "smoke-alarms",
        CITY,
        "programme",
        "空巢老人家庭烟雾报警器与适老化改造",
        "Smoke alarms and adapted homes for the elderly",
        ("安装烟雾报警器", "适老化改造"),
        gifts=(Gift(people.CIVIL_AFFAIRS, seed.ALARMS, date(2023, 3, 1)),),
        payments=(
            Payment(
                alarms, "安装烟雾报警器", "示例安防公司", date(2023, 6, 1), seed.ALARM_HOMES, "households"
            ),
            Payment(
                adapted, "适老化改造", "示例装修公司", date(2023, 9, 1), seed.ADAPTED_HOMES, "households"
            ),
        ),
    )
    yield Campaign(
        "nursing-homes",
        CITY,
        "programme",
        "公立养老院居住环境改善",
        "Better rooms in five public nursing homes",
        ("改善养老院居住环境",),
        gifts=(Gift(people.CARE_FOUNDATION, seed.NURSING, date(2023, 3, 1)),),
        # 所: the unit of schools, homes and other houses.
        payments=(
            Payment(
                seed.NURSING,
                "改善养老院居住环境",
                "示例装修公司",
                date(2023, 9, 1),
                seed.NURSING_HOMES,
                "schools",
            ),
        ),
    )


def _others() -> Iterator[Campaign]:
    yield Campaign(
        "volunteers",
        CITY,
        "programme",
        "慈善同心·志愿同行",
        "Volunteer projects for the old and the young",
        ("志愿服务项目",),
        gifts=(Gift(people.company(41), seed.VOLUNTEERS, date(2023, 4, 1)),),
        payments=(
            Payment(seed.VOLUNTEERS, "志愿服务项目", "示例社工机构", date(2023, 6, 1), 600, "person_times"),
        ),
    )
    meals, waters = shared(seed.SANITATION, (seed.MEALS, seed.WATERS // 7))
    yield Campaign(
        "sanitation",
        CITY,
        "programme",
        "环卫工人爱心餐、爱心水",
        "Meals and water for sanitation workers",
        ("爱心餐", "爱心水"),
        gifts=tuple(
            Gift(partner, part, date(2023, 5, 1))
            for partner, part in zip(
                ("支付平台（示例）", "公益平台（示例）", "姑苏市环卫处（示例）"),
                shared(seed.SANITATION, (1, 1, 1)),
                strict=True,
            )
        ),
        payments=(
            Payment(meals, "爱心餐", "示例餐饮公司", date(2023, 8, 1), seed.MEALS, "person_times"),
            Payment(waters, "爱心水", "示例饮用水公司", date(2023, 8, 1), seed.WATERS, "person_times"),
        ),
    )


def _medicines() -> Iterator[Campaign]:
    """1.21亿 in and out: the cancer drugs, of which a part belongs to the cluster 助医恤病."""
    yield Campaign(
        "cancer-drugs",
        CITY,
        "programme",
        "抗癌药品援助项目",
        "Cancer drugs",
        (CANCER,),
        beneficiaries="困难癌症患者",
        goods=tuple(_drugs(seed.MEDICINES - CLUSTER_MEDICINES, CANCER, "CD", (2, 5, 8, 11))),
    )
    yield Campaign(
        "illness-aid",
        CITY,
        "programme",
        "助医恤病项目集群",
        "Illness aid cluster",
        (AID,),
        beneficiaries="困难患病群众",
        goods=tuple(_drugs(CLUSTER_MEDICINES, AID, "IA", (3, 9))),
    )


def _drugs(value_fen: int, use: str, mark: str, months: Sequence[int]) -> Iterator[Goods]:
    """Deliveries of medicines, each handed out in two parts by the end of the year."""
    for month, part in zip(months, shared(value_fen, (1,) * len(months)), strict=True):
        boxes = 4_801  # an odd number of boxes: their value does not divide evenly
        yield Goods(
            "示例制药有限公司",
            "抗癌药品",
            "medicine",
            boxes,
            "盒",
            part,
            "invoice",
            f"{mark}-2023{month:02d}",
            date(2023, month, 10),
            (
                Handout(2_400, use, "示例定点医院", date(2023, month, 25), 800, "person_times"),
                Handout(
                    boxes - 2_400,
                    use,
                    "示例定点药房",
                    date(2023, month, 10) + timedelta(days=45),
                    801,
                    "person_times",
                )
                if month < 11
                else Handout(boxes - 2_400, use, "示例定点药房", date(2023, 12, 20), 801, "person_times"),
            ),
        )


def _parents() -> Iterator[Campaign]:
    """Programmes of the city that its counties carry out: the parents, which hold nothing themselves."""
    for key, title, english, uses in (
        ("visits", "“情暖苏城”春节慰问", "Spring-Festival visits", ("春节慰问",)),
        ("study", "“助学圆梦”项目", "Study aid", ("助学圆梦",)),
        ("cornea", "角膜盲症患者救助", "Sight for cornea patients", ("角膜移植救助",)),
        ("bright", "“幸福亮居”工程", "Bright homes", ("残疾人家庭住房改造",)),
        ("solar", "“慈善光伏照万家”项目", "Solar roofs", ("光伏帮扶",)),
        ("books", "“书海扬帆”图书捐赠", "Books for schools", ("图书捐赠",)),
        ("clothes", "对口地区衣物捐赠", "Clothes", ("衣物捐赠",)),
        ("scanner", "社区卫生服务中心CT设备捐赠", "A CT scanner", ("医疗设备捐赠",)),
        ("university", "大学人才学科建设", "University", ("人才学科建设",)),
        ("biomedical", "本土原创性生物医学研究", "Biomedical research", ("生物医学研究",)),
    ):
        yield Campaign(key, CITY, "programme", title, english, uses)
