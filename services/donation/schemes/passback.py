"""What a donor chose on the page where the order was made: it comes back with the notice, as written here.

Each company gives an order's own text back with its notices: WeChat Pay `attach` (128 characters), Alipay
`passback_params` (512), UnionPay `reqReserved` (1024, none of &={}[]"). So the text is compact and made of
none of those: parts of one letter and a value, parted by semicolons, such as

    c:gala-2027;n:王小明;d:n;m:新年快乐

  c  campaign_id; without it the channel's own
  n  the donor's name        a  an alias
  d  what may be shown: n the name, a the alias; without it the donation is anonymous
  k  c when the donor is a company
  m  message to the campaign
  e  mail address for the thanks        t  mobile number
  w  1: thanks by WeChat, to the payer (WeChat Pay only)
  l  language of the thanks: zh, en
  p  pledge_id: the promise that it fulfils

`%3B` in a value is a semicolon, `%25` a percent sign. A text that is not of this form says nothing: it is
some other system's. Of a text that is, a value that can't be used is left out; a name or a message is never a
reason to lose sight of money that has come.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from services.donation.intake import CampaignId, Donor, DonorContact, Email, Language, Name, Phone, Words
from services.donation.schemes.settings import NoticeSettings

MAX_TEXT: Final = 1024
_PART: Final = re.compile(r"([cnadkmetwlp]):([^;]*)")
_ESCAPED: Final = re.compile("%(3[Bb]|25)")
_PLEDGE: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_ADAPTERS: Final[Mapping[str, TypeAdapter[Any]]] = {
    "c": TypeAdapter(CampaignId),
    "n": TypeAdapter(Name),
    "a": TypeAdapter(Name),
    "m": TypeAdapter(Words),
    "e": TypeAdapter(Email),
    "t": TypeAdapter(Phone),
    "l": TypeAdapter(Language),
}
_DISPLAYS: Final = {"n": "name", "a": "alias"}


def is_ours(text: str) -> bool:
    """Whether a text is of this form."""
    return _parts(text) is not None


def read(text: str, settings: NoticeSettings, wechat: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The fields of a DonationRequest that the payment itself does not say. `wechat`: where a payer by WeChat
    is reached (wechat_openid, wechat_app_id), told only when the donor asked for it.
    """
    said = _usable(_parts(text) or {})
    fields: dict[str, Any] = {
        "campaign_id": said.get("c", settings.campaign_id),
        "donor": _donor(said, wechat or {}) if said.keys() - set("cmp") else _usual(settings),
    }
    if "m" in said:
        fields["message"] = said["m"]
    if _PLEDGE.fullmatch(said.get("p", "")):
        fields["pledge_id"] = said["p"]
    return fields


def _parts(text: str) -> dict[str, str] | None:
    if not text or len(text) > MAX_TEXT:
        return None
    parts: dict[str, str] = {}
    for part in text.split(";"):
        match = _PART.fullmatch(part)
        if match is None or match[1] in parts:
            return None
        parts[match[1]] = _ESCAPED.sub(lambda escape: ";" if escape[1] != "25" else "%", match[2])
    return parts


def _usable(parts: Mapping[str, str]) -> dict[str, str]:
    usable = {}
    for letter, value in parts.items():
        adapter = _ADAPTERS.get(letter)
        try:
            usable[letter] = value if adapter is None else adapter.validate_python(value, strict=True)
        except ValidationError:
            continue
    return usable


def _donor(said: Mapping[str, str], wechat: Mapping[str, str]) -> dict[str, Any]:
    shown = said.get("d", "")
    donor: dict[str, Any] = {
        "kind": "company" if said.get("k") == "c" else "person",
        "display": _DISPLAYS[shown] if shown in _DISPLAYS and shown in said else "anonymous",
    }
    donor |= {field: said[letter] for letter, field in _DISPLAYS.items() if letter in said}
    contact = {field: said[letter] for letter, field in (("e", "email"), ("t", "phone")) if letter in said}
    if said.get("w") == "1":
        contact |= wechat
    if contact:
        donor["contact"] = contact | ({"language": said["l"]} if "l" in said else {})
    return donor if _fits(Donor, donor) else {name: donor[name] for name in donor if name != "contact"}


def _fits(model: type[Donor] | type[DonorContact], value: Mapping[str, Any]) -> bool:
    try:
        model.model_validate(value)
    except ValidationError:
        return False
    return True


def _usual(settings: NoticeSettings) -> dict[str, Any]:
    """The donor of a channel whose orders name none."""
    if settings.donor_name is None:
        return {"kind": settings.donor_kind, "display": "anonymous"}
    return {"kind": settings.donor_kind, "display": "name", "name": settings.donor_name}
