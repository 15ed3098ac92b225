"""Mails' texts out of this service's templates: plain and HTML, of the same values."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2


def parts_of(name: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """The plain text and the HTML of a template such as "thanks"; what it wants and is not given is an error
    (jinja2.UndefinedError). Values are escaped in the HTML.
    """
    return (
        _templates().get_template(f"{name}.txt").render(values),
        _templates().get_template(f"{name}.html").render(values),
    )


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("services.notification"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
