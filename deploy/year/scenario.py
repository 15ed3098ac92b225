"""The year 2023, whole: what city.py and counties.py declare, and the rest shared out so that every total is
the seed's to the fen.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import Final

from deploy.year import city, counties, online, seed
from deploy.year.federation import CITY, COUNTIES, ORGANISATIONS, WEIGHTS
from deploy.year.sharing import shared
from deploy.year.terms import Campaign, Online, Year

_SEED: Final = 2023
_CHANNELS: Final = (("wechat", 45), ("tencent", 45), ("unionpay", 10))
_DRIVE_ONLINE: Final = seed.DRIVE_RAISED - seed.DRIVE_PROMISED
_SMALL_ENTRY_PEOPLE: Final = 40
"""Each campaign and channel has so many givers at least."""


@cache
def year_2023() -> Year:
    """The year, the same whenever it is asked for."""
    dice = random.Random(_SEED)  # noqa: S311 - sample data
    cities = list(_with_rest_of_city(list(city.named()), dice))
    parts = list(counties.parts())
    amounts = _online_amounts(cities)
    projects = list(_county_projects(cities, parts, amounts, dice))
    campaigns = _with_online([*cities, *parts, *projects], amounts)
    return Year(ORGANISATIONS, tuple(campaigns))


def _with_rest_of_city(named: list[Campaign], dice: random.Random) -> Iterator[Campaign]:
    """The named campaigns of the city, and the small ones that take what is left of its money."""
    yield from named
    count = seed.CITY_PROJECTS - sum(each.is_project for each in named)
    received = _city_rest_fen(named)
    spent = seed.CITY_SPENT - sum(each.disbursed_fen + each.goods_fen for each in named)
    weights = [dice.randrange(50, 150) for _ in range(count)]
    yield from city.small(count, shared(received, weights), shared(spent, weights))


def _city_rest_fen(named: Sequence[Campaign]) -> int:
    """What the city has received beside what the named campaigns take in."""
    given = sum(each.received_fen + each.goods_fen for each in named)
    online_fen = seed.FLOOD + city.QUAKE_CITY + city.DRIVE_CITY_ONLINE
    return seed.CITY_RAISED - given - online_fen


def _online_amounts(cities: Sequence[Campaign]) -> dict[str, int]:
    """Campaign → what is given to it online, in fen; together the year's."""
    named = [each for each in cities if not each.key.startswith("city-")]
    small = [each for each in cities if each.key.startswith("city-")]
    weights = [each.disbursed_fen for each in small]
    amounts = {
        "flood": seed.FLOOD,
        "quake": city.QUAKE_CITY,
        "drive": city.DRIVE_CITY_ONLINE,
        **dict(zip((each.key for each in small), shared(_city_rest_fen(named), weights), strict=True)),
    }
    for parent, amount_fen in (
        ("quake", seed.QUAKE - city.QUAKE_CITY),
        ("drive", _DRIVE_ONLINE - city.DRIVE_CITY_ONLINE),
    ):
        for county, part_fen in zip(COUNTIES, shared(amount_fen, WEIGHTS), strict=True):
            amounts[f"{parent}-{county}"] = part_fen
    return amounts


def _county_projects(
    cities: Sequence[Campaign],
    parts: Sequence[Campaign],
    amounts: dict[str, int],
    dice: random.Random,
) -> Iterator[Campaign]:
    """The counties' own projects take what is left of the year; `amounts` gets what they raise online."""
    elsewhere = (*cities, *parts)
    online_fen = seed.ONLINE - sum(amounts.values())
    received = seed.RAISED - seed.ONLINE - sum(each.received_fen + each.goods_fen for each in elsewhere)
    spent = seed.SPENT - sum(each.disbursed_fen + each.goods_fen for each in elsewhere)
    weights = [dice.randrange(60, 140) for _ in range(counties.PROJECTS)]
    by_online = shared(online_fen, [dice.randrange(80, 120) for _ in range(counties.ONLINE_PROJECTS)])
    gifts, out = shared(received, weights), shared(spent, weights)
    for number, project in enumerate(counties.projects(by_online, gifts, out)):
        if number < counties.ONLINE_PROJECTS:
            amounts[project.key] = by_online[number]
        yield project


def _with_online(campaigns: Sequence[Campaign], amounts: Mapping[str, int]) -> Iterator[Campaign]:
    """Each campaign with its entries of what is given online: amounts by channel, people by amount."""
    keys = [each.key for each in campaigns if each.key in amounts]
    split = online.split([amounts[key] for key in keys], _CHANNELS, seed.ECNY)
    entries = [
        (key, channel, amount_fen)
        for key, by_channel in zip(keys, split, strict=True)
        for channel, amount_fen in by_channel
        if amount_fen
    ]
    people = shared(seed.PERSON_TIMES, [fen for *_, fen in entries], least=_SMALL_ENTRY_PEOPLE)
    found: dict[str, list[Online]] = {}
    for (key, channel, amount_fen), count in zip(entries, people, strict=True):
        first, last = _window(key, keys.index(key))
        found.setdefault(key, []).append(Online(channel, amount_fen, count, first, last))
    for each in campaigns:
        yield replace(each, online=tuple(found.get(each.key, ())))


def _window(key: str, index: int) -> tuple[date, date]:
    """When the public gives to a campaign: appeals and the drive in their weeks, others in a few days of
    their own. Few campaigns are asked for at the same time, as on a real calendar of drives.
    """
    parent = key.partition("-")[0]
    if key == "flood":
        return date(2023, 8, 1), date(2023, 8, 20)
    if parent == "quake":
        return date(2023, 12, 19), date(2023, 12, 26)
    if parent == "drive":
        return date(2023, 5, 8), date(2023, 5, 31)
    days = 3 if parent == CITY else 10
    first = date(2023, 1, 10) + timedelta(days=index * 5 % 330)
    return first, first + timedelta(days=days)
