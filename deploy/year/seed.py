"""The figures of the seed, the federation's report on 2023, as the scenario states them.

Where the report says 余 (over) or 超 (more than), the scenario picks a number, and `PICKED` says so. Amounts
are texts as the report writes them, read exactly (`shared.money.parse_cn`).
"""

from typing import Final

from shared.money import parse_cn

RAISED: Final = parse_cn("7.53亿")
SPENT: Final = parse_cn("6.35亿")
PROJECTS: Final = 586
ONLINE: Final = parse_cn("1.0386亿")  # picked: 突破1亿元
PERSON_TIMES: Final = 2_001_600  # picked: 超过200万; many divisors, so that many scales are exact

CITY_RAISED: Final = parse_cn("1.41亿")
CITY_SPENT: Final = parse_cn("1.32亿")
CITY_PROJECTS: Final = 97
MEDICINES: Final = parse_cn("1.21亿")

GALA_COMPANIES: Final = 17
GALA_PROMISED: Final = parse_cn("5475万")
DRIVE_COMPANIES: Final = 31
DRIVE_PROMISED: Final = parse_cn("2435万")
DRIVE_RAISED: Final = parse_cn("3228.7万")
FLOOD: Final = parse_cn("549.36万")  # picked: 549万余元
SUQIAN, YANCHENG = parse_cn("50万"), parse_cn("50万")
QUAKE: Final = parse_cn("617.28万")  # picked: 617万余元
ECNY: Final = parse_cn("1080.62万")  # picked: 1080余万元

ILLNESS: Final = parse_cn("3104万")
VISITS, VISITED = parse_cn("551.4万"), 5069
STUDY, STUDENTS = parse_cn("167万"), 1217
VOLUNTEERS: Final = parse_cn("30万")
ALARMS, ALARM_HOMES, ADAPTED_HOMES = parse_cn("100万"), 9614, 76
NURSING, NURSING_HOMES = parse_cn("100万"), 5
JUDICIAL_FUND, JUDICIAL_PARTNERS = parse_cn("600万"), 3
JUDICIAL, VICTIMS = parse_cn("82.2万"), 58
CORNEA, CORNEA_PATIENTS = parse_cn("400万"), 133  # picked: 130多位
BRIGHT, BRIGHT_HOMES = parse_cn("70.52万"), 43  # picked: 70余万元
SOLAR, SOLAR_HOMES = parse_cn("70万"), 100
SANITATION, MEALS, WATERS = parse_cn("41.29万"), 26_000, 14_000
BOOKS, BOOK_SCHOOLS = parse_cn("903万"), 70
CLOTHES, CLOTHED = parse_cn("766.6万"), 5692
SCANNER: Final = parse_cn("300万")
UNIVERSITY: Final = parse_cn("200万")
BIOMEDICAL: Final = parse_cn("100万")

LOW_INCOME, NEW_LOW_INCOME = "低收入群体", 3206
SOLDIERS, NEW_SOLDIERS = "现役军人及烈属", 14_000
RENEWALS, RENEWED_PEOPLE = 17, 395_000
LARGEST_CLAIM: Final = parse_cn("10万")

PICKED: Final = {
    "online": "over 1亿, over 200万 person-times",
    "flood": "549万余",
    "quake": "617万余",
    "ecny": "1080余万",
    "cornea": "130多位",
    "bright": "70余万",
}
"""What the report leaves open."""
