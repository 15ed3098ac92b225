"""What an operator writes once and many donors read: the contents of templates, and how they are filled in.

`{title}` and the like are replaced once, by plain text: nothing in a template is run and nothing in a value
is looked at again. A brace stands for nothing but a placeholder. Mail is written as text; its HTML is made
from it.
"""

import html
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.notification.quiet import SHANGHAI
from services.notification.thanks import TITLE_MAX, Thanks, greeted_as, one_line
from shared.forms import form
from shared.money import format_yuan

Language = Literal["zh", "en"]

PLACEHOLDERS: Final = frozenset(
    {
        "name",
        "title",
        "amount",
        "returned",
        "donated_at",
        "donation_id",
        "organisation",
        "licence",
        "filing_number",
        "contact",
        "query_method",
    }
)
UNSUBSCRIBE: Final = "unsubscribe"
"""In a mail only: the address of the page where its reader ends messages."""
REQUIRED_IN_MAIL: Final = ("organisation", UNSUBSCRIBE)
"""Who asks for donations must be named (Charity Law art. 25), and every mail can be the last."""
SUBJECT_MAX: Final = 120
MAIL_TEXT_MAX: Final = 8_000
SMS_VALUE_MAX: Final = 35
"""Letters of a parameter's value that both providers take in a notice."""
WECHAT_VALUE_MAX: Final = {"thing": 20, "character_string": 32, "phrase": 5, "name": 10, "number": 32}
"""Letters of a value by the kind of its field, which is its name without the digits behind it."""
WECHAT_OTHER_MAX: Final = 200
_FIELD: Final = re.compile(r"\{([a-z_]+)\}")
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def _fields(text: str) -> list[str]:
    return _FIELD.findall(text)


def _checked(text: str, known: frozenset[str]) -> str:
    unknown = sorted(set(_fields(text)) - known)
    if unknown:
        raise ValueError(f"no such placeholder: {', '.join(unknown[:5])}")
    rest = _FIELD.sub("", text)
    if "{" in rest or "}" in rest:
        raise ValueError("a brace stands for a placeholder only, such as {title}")
    if _UNPRINTABLE.search(text):
        raise ValueError("has control characters or marks that turn the direction of writing")
    return text


def _in_message(text: str) -> str:
    return _checked(text, PLACEHOLDERS)


def _in_mail(text: str) -> str:
    return _checked(text, PLACEHOLDERS | {UNSUBSCRIBE})


def _one_line(text: str) -> str:
    if "\n" in text:
        raise ValueError("is more than one line")
    return text


PROVIDER_ID: Final = form(
    r"^[A-Za-z0-9_-]{1,64}$", "1 to 64 of A-Z, a-z, 0-9 and _ -, such as PUB_KEY_ID_0114"
)
PARAMETER: Final = form(
    r"^[A-Za-z][A-Za-z0-9_]{0,19}$", "1 to 20 of A-Z, a-z, 0-9 and _, beginning with a letter, such as name"
)
KEYWORD: Final = form(
    r"^[A-Za-z][A-Za-z0-9_]{0,31}$", "1 to 32 of A-Z, a-z, 0-9 and _, beginning with a letter, such as thing1"
)
HTTPS: Final = form(r"^https://[!-~]{1,500}$", "an address such as https://charity.example.org/gala")
ProviderId = Annotated[str, StringConstraints(pattern=PROVIDER_ID)]
Value = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    AfterValidator(_in_message),
    AfterValidator(_one_line),
]


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MailContent(_Content):
    """A mail of one language. {unsubscribe} and {organisation} must stand in its text."""

    way: Literal["mail"]
    subject: Annotated[
        str,
        StringConstraints(min_length=1, max_length=SUBJECT_MAX, strip_whitespace=True),
        AfterValidator(_in_message),
        AfterValidator(_one_line),
        Field(examples=["感谢您支持{title}"]),
    ]
    text: Annotated[
        str,
        StringConstraints(min_length=1, max_length=MAIL_TEXT_MAX),
        AfterValidator(_in_mail),
        Field(
            examples=[
                "{name}，您好！您捐赠的{amount}元已收到。\n{organisation}\n不再接收此类邮件：{unsubscribe}"
            ]
        ),
    ]

    @model_validator(mode="after")
    def _says_what_it_must(self) -> Self:
        missing = [name for name in REQUIRED_IN_MAIL if name not in _fields(self.text)]
        if missing:
            raise ValueError(f"text: must have {' and '.join(f'{{{name}}}' for name in missing)}")
        return self


class Parameter(_Content):
    """One variable of a provider's template, in the order the template has them."""

    name: Annotated[str, StringConstraints(pattern=PARAMETER)]
    value: Value


class SmsContent(_Content):
    """A template that the provider has approved: its id there, and what its variables hold."""

    way: Literal["sms"]
    template_id: ProviderId
    parameters: Annotated[tuple[Parameter, ...], Field(max_length=10)] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({each.name for each in self.parameters}) < len(self.parameters):
            raise ValueError("a parameter stands twice")
        return self


class WechatContent(_Content):
    """A template of one application (公众号): a template message, or a subscription message."""

    way: Literal["wechat"]
    app_id: ProviderId
    kind: Literal["template", "subscribe"] = "template"
    template_id: ProviderId
    data: Annotated[
        dict[Annotated[str, StringConstraints(pattern=KEYWORD)], Value],
        Field(min_length=1, max_length=10),
    ]
    url: Annotated[str, StringConstraints(pattern=HTTPS)] | None = None


Content: TypeAlias = Annotated[MailContent | SmsContent | WechatContent, Field(discriminator="way")]

_NAMELESS: Final[dict[str, str]] = {"zh": "爱心人士", "en": "kind heart"}


def values_of(thanks: Thanks, language: Language) -> dict[str, str]:
    """What each placeholder stands for. Each is one printable line; what there is none of is a dash."""
    campaign = thanks.campaign
    title = campaign.title_en if language == "en" and campaign.title_en else campaign.title
    return {
        "name": greeted_as(thanks.name) or _NAMELESS[language],
        "title": one_line(title, TITLE_MAX),
        "amount": format_yuan(thanks.amount_fen),
        "returned": format_yuan(thanks.reversed_fen),
        "donated_at": _moment(thanks.occurred_at),
        "donation_id": str(thanks.donation_id),
        "organisation": one_line(campaign.organisation, TITLE_MAX),
        "licence": one_line(campaign.licence, TITLE_MAX),
        "filing_number": one_line(campaign.filing_number or "", TITLE_MAX) or "—",
        "contact": one_line(campaign.contact, TITLE_MAX),
        "query_method": one_line(campaign.query_method, 2 * TITLE_MAX),
    }


def _moment(at: datetime) -> str:
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with each placeholder replaced once."""
    return _FIELD.sub(lambda found: values[found[1]], text)


def as_html(text: str, values: Mapping[str, str], language: Language) -> str:
    """The same mail as HTML: paragraphs, and the address of the page that ends messages as a link."""
    link = html.escape(values[UNSUBSCRIBE])
    shown = {name: html.escape(value) for name, value in values.items()}
    shown[UNSUBSCRIBE] = f'<a href="{link}">{link}</a>'
    body = filled(html.escape(text, quote=False), shown)
    paragraphs = "\n".join(
        f"<p>{part.strip().replace(chr(10), '<br>' + chr(10))}</p>"
        for part in re.split(r"\n{2,}", body)
        if part.strip()
    )
    lang = "zh-CN" if language == "zh" else "en"
    return (
        f'<!doctype html>\n<html lang="{lang}">\n<head><meta charset="utf-8"></head>\n'
        f'<body style="font: 16px/1.7 sans-serif; max-width: 40em">\n{paragraphs}\n</body>\n</html>\n'
    )


def sms_parameters(content: SmsContent, values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The parameters in their order, each short enough to be taken."""
    return tuple(
        (each.name, one_line(filled(each.value, values), SMS_VALUE_MAX)) for each in content.parameters
    )


def wechat_data(content: WechatContent, values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The fields, each within the length that its kind allows."""
    return tuple(
        (name, one_line(filled(value, values), _longest(name))) for name, value in content.data.items()
    )


def _longest(name: str) -> int:
    return WECHAT_VALUE_MAX.get(name.rstrip("0123456789"), WECHAT_OTHER_MAX)
