"""The ways a channel can report: what it is called, and what its keys are for."""

from collections.abc import Mapping
from typing import Final, Literal

Scheme = Literal["webhooks", "wechatpay", "alipay", "unionpay", "files", "kafka", "desk"]
"""webhooks: the partner API, signed as Standard Webhooks; wechatpay, alipay, unionpay: the company's own
notices; files: statements by upload or folder; kafka: straight onto its topic; desk: operators' entries."""

Purpose = Literal["signing", "platform", "apiv3"]
"""signing: the shared secret a partner signs with (`whsec_…`). platform: a payment company's public key or
certificate (PEM) that its notices are checked with; its `key_id` is the serial number where there is one.
apiv3: the 32 bytes that WeChat Pay encrypts a notice's resource with."""

PURPOSES_OF: Final[Mapping[Scheme, frozenset[Purpose]]] = {
    "webhooks": frozenset({"signing"}),
    "wechatpay": frozenset({"platform", "apiv3"}),
    "alipay": frozenset({"platform"}),
    "unionpay": frozenset({"platform"}),
    "files": frozenset({"signing"}),
    "kafka": frozenset({"signing"}),
    "desk": frozenset(),
}
"""Which keys a channel can have. One that publishes to Kafka or sends files may use the partner API too."""
