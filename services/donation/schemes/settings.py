"""What a channel of each scheme has to say of itself, none of it secret: the shape of `channels.settings`.

Whoever registers or changes a channel checks its settings with `SETTINGS_OF[scheme]`; the schemes read them
with the same models, so that a setting no scheme understands can't be stored.

Keys that belong beside the settings (purpose, key_id, secret):
  wechatpay   platform: a certificate (PEM; key_id its serial number in upper-case hex) or the public key
              (PEM; key_id `PUB_KEY_ID_…`), several at once while they rotate; apiv3: the 32 characters of
              the APIv3 key (any key_id), the old one beside the new one while it is changed
  alipay      platform: Alipay's public key, or its certificate (PEM, or the bare base64 that its console
              shows; any key_id), several at once
  unionpay    platform: the root and the middle certificate of UnionPay (PEM; any key_id, one or several in
              a PEM): the certificate that signs comes with each notice and must chain to them
"""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.donation.channels.schemes import Scheme
from services.donation.intake import CampaignId, Name
from services.donation.statements.profiles import Declared
from shared.events.donations import DonorKind
from shared.forms import form

MerchantNumber = Annotated[
    str, StringConstraints(pattern=form(r"^[0-9]{8,16}$", "8 to 16 digits, such as 1900000109"))
]
WechatAppId = Annotated[
    str,
    StringConstraints(
        pattern=form(r"^[A-Za-z0-9_-]{4,32}$", "4 to 32 of A-Z, a-z, 0-9 and _ -, such as wxd678efh567hg6787")
    ),
]
AlipayAppId = Annotated[
    str, StringConstraints(pattern=form(r"^[0-9]{16,32}$", "16 to 32 digits, such as 2021000000000000"))
]
AlipayUser = Annotated[
    str,
    StringConstraints(
        pattern=form(r"^2088[0-9]{12}$", "16 digits that begin with 2088, such as 2088102146225135")
    ),
]
UnionpayMerchant = Annotated[
    str,
    StringConstraints(pattern=form(r"^[A-Za-z0-9]{15}$", "15 letters and digits, such as 898111453110462")),
]

UNIONPAY_NAME: Final = "中国银联股份有限公司"


class NoSettings(BaseModel):
    """A scheme that has nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NoticeSettings(NoSettings):
    """What holds of a payment whose order says nothing else (see schemes/passback.py).

    `campaign_id`: what it is given to. `donor_name`: under whose name; without one it is anonymous. A channel
    for consumption donations (消费捐) names its shop here, as a company: each of the many tiny amounts is the
    shop's.
    """

    campaign_id: CampaignId
    donor_kind: DonorKind = "person"
    donor_name: Name | None = None


class WechatpaySettings(NoticeSettings):
    """`mchid`: the merchant number that notices must be for. `appids`: when given, the applications that
    payments must come through.
    """

    mchid: MerchantNumber
    appids: Annotated[list[WechatAppId], Field(min_length=1, max_length=20)] | None = None


class AlipaySettings(NoticeSettings):
    """`app_id`: the application that notices must be for. `seller_id`: when given, the account (2088…) that
    the money must have gone to.
    """

    app_id: AlipayAppId
    seller_id: AlipayUser | None = None


class UnionpaySettings(NoticeSettings):
    """`mer_id`: the merchant code that notices must be for. `signer`: whose name the certificate that signs
    must bear; another than UnionPay's own only for a bank's e-CNY gateway and for tests.
    `sha1_certificates`: certificates that were themselves signed with SHA-1 count, as those of UnionPay's
    test system are; notices are signed with SHA-256 in any case.
    """

    mer_id: UnionpayMerchant
    signer: Annotated[str, Field(min_length=1, max_length=64)] = UNIONPAY_NAME
    sha1_certificates: bool = False


class FilesSettings(NoSettings):
    """`profile`: how the channel's statements are read, or the name of one that is shipped."""

    profile: Declared


SETTINGS_OF: Final[Mapping[Scheme, type[NoSettings]]] = {
    "webhooks": NoSettings,
    "wechatpay": WechatpaySettings,
    "alipay": AlipaySettings,
    "unionpay": UnionpaySettings,
    "files": FilesSettings,
    "kafka": NoSettings,
    "desk": NoSettings,
}
