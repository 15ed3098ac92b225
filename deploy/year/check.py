"""Each figure of the seed beside the system's: a pure comparison of what was read with what the seed says."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from deploy.year import seed
from deploy.year.federation import CITY
from deploy.year.reading import Fund, Insurance, Out, Reading
from deploy.year.terms import ONLINE
from shared.money import format_cn

Unit = Literal["fen", "count"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: what it is, as the report writes it, what the scenario states, what the services say."""

    what: str
    report: str
    stated: int
    found: int
    unit: Unit = "fen"

    @property
    def equal(self) -> bool:
        """To the last fen."""
        return self.stated == self.found

    @property
    def stated_text(self) -> str:
        """As a person reads it, exactly."""
        return _text(self.stated, self.unit)

    @property
    def found_text(self) -> str:
        """As a person reads it, exactly."""
        return _text(self.found, self.unit)


def _text(value: int, unit: Unit) -> str:
    return format_cn(value) if unit == "fen" else f"{value:,}"


def figures(reading: Reading, scale: int) -> list[Figure]:
    """Every figure of the table. `scale`: person-times that a donation online stands for."""
    return [
        *_books(reading),
        *_report(reading),
        *_online(reading, scale),
        *_events(reading),
        *_appeals(reading),
        *_programmes(reading),
        *_in_kind(reading),
        *_insurance(reading.insurance),
    ]


def _books(reading: Reading) -> Iterable[Figure]:
    own, whole = reading.organisations[CITY]
    projects = [
        each
        for each in reading.listed.values()
        if not each.is_part and each.kind in {"programme", "emergency_appeal"}
    ]
    city_projects = sum(each.organisation == CITY for each in projects)
    medicines = [out for outs in reading.outs.values() for out in outs if out.medicine]
    yield Figure("city + counties raised", "7.53亿元", seed.RAISED, whole.raised_fen)
    yield Figure("city + counties spent", "6.35亿元", seed.SPENT, whole.spent_fen)
    yield Figure("city + counties projects (*)", "586个", seed.PROJECTS, len(projects), "count")
    yield Figure("city raised", "1.41亿元", seed.CITY_RAISED, own.raised_fen)
    yield Figure("city spent", "1.32亿元", seed.CITY_SPENT, own.spent_fen)
    yield Figure("city projects (*)", "97个", seed.CITY_PROJECTS, city_projects, "count")
    yield Figure("medicines in", "1.21亿元", seed.MEDICINES, reading.medicines_fen)
    yield Figure("medicines out", "1.21亿元", seed.MEDICINES, _value(medicines))


def _report(reading: Reading) -> Iterable[Figure]:
    """The annual report that everybody can read."""
    for key, name, raised, spent in (
        ("total", "city + counties", seed.RAISED, seed.SPENT),
        (CITY, "city", seed.CITY_RAISED, seed.CITY_SPENT),
    ):
        own = reading.reported[key]
        yield Figure(f"annual report: {name} raised", format_cn(raised), raised, own.raised_fen)
        yield Figure(f"annual report: {name} spent", format_cn(spent), spent, own.spent_fen)
    in_bank = seed.CITY_RAISED - seed.CITY_SPENT  # all goods went out: what is left is money
    yield Figure(
        "annual report: city in the bank", "1.41 - 1.32亿元", in_bank, reading.closing.get("1002", 0)
    )
    owed = reading.closing.get("112201", 0)
    yield Figure("annual report: city due from channels", "", 0, owed)


def _online(reading: Reading, scale: int) -> Iterable[Figure]:
    by_channel = [
        (channel, fen, count)
        for fund in reading.funds.values()
        for channel, (fen, count) in fund.channels.items()
        if channel in ONLINE
    ]
    fen = sum(each[1] for each in by_channel)
    people = scale * sum(each[2] for each in by_channel)
    ecny = sum(each[1] for each in by_channel if each[0] == "ecny")
    yield Figure("raised online", "突破1亿元", seed.ONLINE, fen)
    yield Figure(f"person-times online (× {scale})", "超过200万", seed.PERSON_TIMES, people, "count")
    yield Figure("e-CNY", "1080余万元", seed.ECNY, ecny)


def _events(reading: Reading) -> Iterable[Figure]:
    for key, name, companies, count, words, promised in (
        ("gala", "gala", "17家", seed.GALA_COMPANIES, "5475万元", seed.GALA_PROMISED),
        ("drive", "One-Day Drive", "31家", seed.DRIVE_COMPANIES, "2435万元", seed.DRIVE_PROMISED),
    ):
        placards = [placard for each in reading.tree(key) for placard in reading.placards[each]]
        made = {company for company, _ in placards}
        yield Figure(f"{name}: companies", companies, count, len(made), "count")
        yield Figure(f"{name}: promised", words, promised, sum(fen for _, fen in placards))
        promised_fen = sum(fund.promised_fen for fund in reading.of(key))
        yield Figure(f"{name}: promised, as shown", words, promised, promised_fen)
    yield Figure("One-Day Drive: raised", "3228.7万元", seed.DRIVE_RAISED, _raised(reading.of("drive")))


def _appeals(reading: Reading) -> Iterable[Figure]:
    for key, name, words, stated in (
        ("flood", "Beijing-Hebei floods", "549万余元", seed.FLOOD),
        ("quake", "Gansu earthquake", "617万余元", seed.QUAKE),
    ):
        yield Figure(f"{name}: raised", words, stated, _raised(reading.of(key)))
        yield Figure(f"{name}: spent", "全部用于", stated, _spent(reading.of(key)))
    outs = reading.out_of("suqian-yancheng")
    for place, name, stated in (("宿迁", "Suqian", seed.SUQIAN), ("盐城", "Yancheng", seed.YANCHENG)):
        yield Figure(f"given to {name}", "50万元", stated, _value(out for out in outs if place in out.to))


def _programmes(reading: Reading) -> Iterable[Figure]:
    for key, name, words, stated in (
        ("illness-aid", "illness aid cluster", "3104万元", seed.ILLNESS),
        ("visits", "Spring-Festival visits", "551.4万元", seed.VISITS),
        ("study", "study aid", "167万元", seed.STUDY),
        ("volunteers", "volunteer projects", "30万元", seed.VOLUNTEERS),
        ("smoke-alarms", "alarms, adapted homes", "100万元", seed.ALARMS),
        ("nursing-homes", "nursing homes", "100万元", seed.NURSING),
        ("judicial", "judicial aid", "82.2万元", seed.JUDICIAL),
        ("cornea", "cornea", "400万元", seed.CORNEA),
        ("bright", "bright homes", "70余万元", seed.BRIGHT),
        ("solar", "solar roofs", "70万元", seed.SOLAR),
        ("sanitation", "sanitation workers", "41.29万元", seed.SANITATION),
        ("university", "university", "200万元", seed.UNIVERSITY),
        ("biomedical", "biomedical research", "100万元", seed.BIOMEDICAL),
    ):
        yield Figure(name, words, stated, _spent(reading.of(key)))
    for key, name, use, words, helped in (
        ("visits", "visited", None, "5069人次", seed.VISITED),
        ("study", "students", None, "1217人", seed.STUDENTS),
        ("smoke-alarms", "homes with alarms", "安装烟雾报警器", "9614户", seed.ALARM_HOMES),
        ("smoke-alarms", "homes adapted", "适老化改造", "76户", seed.ADAPTED_HOMES),
        ("nursing-homes", "nursing homes helped", None, "5家", seed.NURSING_HOMES),
        ("judicial", "victims", None, "58名", seed.VICTIMS),
        ("cornea", "cornea patients", None, "130多位", seed.CORNEA_PATIENTS),
        ("bright", "households of bright homes", None, "43户", seed.BRIGHT_HOMES),
        ("solar", "households of solar roofs", None, "100户", seed.SOLAR_HOMES),
        ("sanitation", "meals", "爱心餐", "2.6万份", seed.MEALS),
        ("sanitation", "waters", "爱心水", "1.4万份", seed.WATERS),
    ):
        found = sum(out.beneficiaries for out in reading.out_of(key) if use in {None, out.use})
        yield Figure(name, words, helped, found, "count")
    yield Figure("judicial fund", "600万元", seed.JUDICIAL_FUND, _raised(reading.of("judicial")))
    yield Figure("judicial fund: partners", "3家", seed.JUDICIAL_PARTNERS, reading.partners, "count")


def _in_kind(reading: Reading) -> Iterable[Figure]:
    for key, name, words, stated in (
        ("books", "books", "903万元", seed.BOOKS),
        ("clothes", "clothes", "766.6万元", seed.CLOTHES),
        ("scanner", "CT scanner", "300万元", seed.SCANNER),
    ):
        goods_fen = sum(fund.goods_distributed_fen for fund in reading.of(key))
        yield Figure(name, words, stated, goods_fen)
    schools = sum(out.beneficiaries for out in reading.out_of("books"))
    clothed = sum(out.beneficiaries for out in reading.out_of("clothes"))
    yield Figure("schools with books", "70所", seed.BOOK_SCHOOLS, schools, "count")
    yield Figure("people with clothes", "5692名", seed.CLOTHED, clothed, "count")


def _insurance(found: Insurance) -> Iterable[Figure]:
    low_income, soldiers = (found.new.get(group, 0) for group in (seed.LOW_INCOME, seed.SOLDIERS))
    yield Figure("newly insured: low income", "3206名", seed.NEW_LOW_INCOME, low_income, "count")
    yield Figure("newly insured: soldiers", "1.4万名", seed.NEW_SOLDIERS, soldiers, "count")
    yield Figure("policies renewed", "17单", seed.RENEWALS, found.renewals, "count")
    yield Figure("people in renewed policies", "39.5万人", seed.RENEWED_PEOPLE, found.renewed_people, "count")
    yield Figure("largest claim", "10万元", seed.LARGEST_CLAIM, found.largest_claim_fen)


def _raised(funds: Iterable[Fund]) -> int:
    return sum(fund.raised_fen for fund in funds)


def _spent(funds: Iterable[Fund]) -> int:
    return sum(fund.spent_fen for fund in funds)


def _value(outs: Iterable[Out]) -> int:
    return sum(out.value_fen for out in outs)
