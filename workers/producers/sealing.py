"""Secrets in the database are not in clear, so that no listing, log or dump of one table shows them.

They are sealed with the database's own secret, which is in the same database: whoever reads all of it can open them.
"""

import base64
from hashlib import shake_256
from secrets import token_bytes

NONCE_BYTES = 16


def seal(own: bytes, name: str, secret: bytes) -> str:
    """A secret as it is kept, under a name that is not secret."""
    nonce = token_bytes(NONCE_BYTES)
    return base64.b64encode(nonce + _mixed(own, name, nonce, secret)).decode()


def opened(own: bytes, name: str, sealed: str) -> bytes:
    """The secret again."""
    raw = base64.b64decode(sealed)
    return _mixed(own, name, raw[:NONCE_BYTES], raw[NONCE_BYTES:])


def _mixed(own: bytes, name: str, nonce: bytes, content: bytes) -> bytes:
    stream = shake_256(b"tenure producers\0" + own + b"\0" + name.encode() + b"\0" + nonce).digest(len(content))
    return bytes(one ^ other for one, other in zip(content, stream, strict=True))
