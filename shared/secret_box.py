"""Secrets at rest: AES-256-GCM, each bound to the name of what it belongs to.

A key is renewed without a break (docs/keys.md): the new one stands before the old one, both open what there
is, what is sealed from then on is sealed with the new one; then all is sealed again, and the old one goes.
"""

import base64
import contextlib
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class SecretBox:
    """Encrypts secrets for the database. Each is bound to its owner's name, so that a row that was copied to
    another owner's place does not open.
    """

    def __init__(self, keys_base64: str) -> None:
        """One key, or several with commas: the first seals, each opens. Raises ValueError."""
        keys = [base64.b64decode(key.strip(), validate=True) for key in keys_base64.split(",")]
        if any(len(key) != KEY_BYTES for key in keys):
            raise ValueError("each key must be 32 bytes in base64")
        self._ciphers = [AESGCM(key) for key in keys]

    def seal(self, owner: str, secret: str) -> bytes:
        """Encrypt a secret for the database."""
        return self.seal_bytes(owner, secret.encode())

    def open(self, owner: str, sealed: bytes) -> str:
        """Decrypt a secret; raises InvalidTag when key or owner are not those it was sealed with, or when it
        was never sealed.
        """
        return self.open_bytes(owner, sealed).decode()

    def seal_bytes(self, owner: str, content: bytes) -> bytes:
        """Encrypt the content of a file, of less than 2 GiB."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, content, owner.encode())

    def open_bytes(self, owner: str, sealed: bytes) -> bytes:
        """Decrypt the content of a file; raises as `open` does."""
        return self._opened(owner, sealed)[1]

    def sealed_anew(self, owner: str, sealed: bytes) -> bytes | None:
        """The same content sealed with the first key; None: it is already. Raises as `open` does."""
        number, content = self._opened(owner, sealed)
        return self.seal_bytes(owner, content) if number else None

    def _opened(self, owner: str, sealed: bytes) -> tuple[int, bytes]:
        """Which key opens it, and what is in it."""
        if len(sealed) < NONCE_BYTES:
            raise InvalidTag
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        for number, cipher in enumerate(self._ciphers):
            with contextlib.suppress(InvalidTag):
                return number, cipher.decrypt(nonce, rest, owner.encode())
        raise InvalidTag
