"""Who a message goes to, without saying who: keyed hashes of addresses, and the links that end messages.

A hash is all that is kept of an address beyond its contact's days: to know whom not to write to again, and
how often somebody was written to today. Without the key it can't be made from an address, nor guessed from a
list of phone numbers.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from services.notification.couriers.ways import Way

HASH_BYTES: Final = 16
SIGNATURE_BYTES: Final = 11
TOKEN_LENGTH: Final = (HASH_BYTES + SIGNATURE_BYTES) * 4 // 3


@dataclass(frozen=True, slots=True)
class Addressees:
    """Hashes and links under one key (ADDRESS_KEY), which must stay the same as long as its hashes count."""

    key: bytes = field(repr=False)

    def hash_of(self, way: Way, address: str) -> bytes:
        """16 bytes that stand for an address of one way: a mail address in any case, a phone, an openid."""
        said = address.lower() if way is Way.MAIL else address
        return self._mac(b"address", f"{way.value}\n{said}".encode("utf-8", "replace"))[:HASH_BYTES]

    def token_of(self, address_hash: bytes) -> str:
        """What stands in the link by which its holder ends the messages to one address."""
        signature = self._mac(b"unsubscribe", address_hash)[:SIGNATURE_BYTES]
        return base64.urlsafe_b64encode(address_hash + signature).decode()

    def read_token(self, token: str) -> bytes | None:
        """The hash a link stands for; None: it is not one of ours."""
        if len(token) != TOKEN_LENGTH:
            return None
        try:
            said = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        address_hash, signature = said[:HASH_BYTES], said[HASH_BYTES:]
        expected = self._mac(b"unsubscribe", address_hash)[:SIGNATURE_BYTES]
        return address_hash if hmac.compare_digest(signature, expected) else None

    def _mac(self, purpose: bytes, said: bytes) -> bytes:
        own = hmac.new(self.key, purpose, hashlib.sha256).digest()
        return hmac.new(own, said, hashlib.sha256).digest()
