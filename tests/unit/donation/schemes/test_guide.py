"""The guide for payment companies' channels: what it has people type fits the schemes."""

import json
import re
from pathlib import Path
from typing import cast

import pytest

from services.donation.channels.schemes import Scheme
from services.donation.schemes.settings import SETTINGS_OF

DOCS = Path(__file__).parents[4] / "docs"
ADDED = re.compile(r"--scheme (\w+) \\\n  --settings '(.+)'")
TYPED = [
    found
    for page in ("channels/payments.md", "statements/index.md")
    for found in ADDED.findall((DOCS / page).read_text())
]


@pytest.mark.parametrize(("scheme", "settings"), TYPED)
def test_the_settings_that_the_guide_has_are_taken(scheme: str, settings: str) -> None:
    SETTINGS_OF[cast("Scheme", scheme)].model_validate(json.loads(settings))


def test_each_company_s_scheme_is_in_the_guide() -> None:
    assert {scheme for scheme, _ in TYPED} == {"wechatpay", "alipay", "unionpay", "files"}
