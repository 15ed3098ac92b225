"""The guide to messages is true: its placeholders and samples, its template, its settings."""

import json
import re
from pathlib import Path

from services.notification.letters.api import SAMPLE, SAMPLE_LINK, TemplateBody
from services.notification.letters.contents import PLACEHOLDERS, UNSUBSCRIBE, values_of
from services.notification.settings import Settings

GUIDE = (Path(__file__).parents[3] / "docs" / "messages.md").read_text("utf-8")


def test_each_placeholder_stands_there_with_what_it_becomes() -> None:
    rows = dict(re.findall(r"^\| `\{(\w+)\}` \|.*\| `([^`]+)` \|$", GUIDE, re.MULTILINE))
    assert rows == {**values_of(SAMPLE, "zh"), UNSUBSCRIBE: SAMPLE_LINK}
    assert rows.keys() == PLACEHOLDERS | {UNSUBSCRIBE}


def test_each_template_of_the_guide_is_taken() -> None:
    bodies = re.findall(r"-d '(.*?)'", GUIDE, re.DOTALL)
    written = [TemplateBody.model_validate_json(each) for each in bodies if "content" in json.loads(each)]
    assert {each.content.way for each in written} == {"mail", "sms", "wechat"}


def test_each_setting_of_the_guide_is_one() -> None:
    known = {name.upper() for name in Settings.model_fields}
    named = set(re.findall(r"`([A-Z][A-Z_]{3,})(?:=[^`]*)?`", GUIDE))
    assert named
    assert named <= known
