"""Secrets at rest: AES-256-GCM, each bound to the name of what it belongs to."""

import base64
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES: Final = 12


class SecretBox:
    """Encrypts secrets for the database. Each is bound to its owner's name, so that a row that was copied to
    another owner's place does not open.
    """

    def __init__(self, key_base64: str) -> None:
        key = base64.b64decode(key_base64, validate=True)
        if len(key) != 32:
            raise ValueError("the key must be 32 bytes in base64")
        self._cipher = AESGCM(key)

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
        return nonce + self._cipher.encrypt(nonce, content, owner.encode())

    def open_bytes(self, owner: str, sealed: bytes) -> bytes:
        """Decrypt the content of a file; raises as `open` does."""
        if len(sealed) < NONCE_BYTES:
            raise InvalidTag
        return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], owner.encode())
