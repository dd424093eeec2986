"""Signatures of commands: `v1,<key id>,<base64 of the HMAC-SHA256 over the exact bytes of the envelope>`."""

import base64
import hmac

VERSION = "v1"
LONGEST = 200
"""Characters of a signature that is looked at."""


def sign(secret: bytes, key_id: str, text: str) -> str:
    """The signature of an envelope as it will be sent."""
    return f"{VERSION},{key_id},{_mac(secret, text.encode())}"


def key_id_of(signature: str) -> str:
    """The id of the key that a signature names. Raises ValueError for what is no signature."""
    parts = signature.split(",") if len(signature) <= LONGEST else []
    if len(parts) != 3 or parts[0] != VERSION:  # noqa: PLR2004 - version, key id, digest
        raise ValueError("the signature is not v1,<key id>,<base64 HMAC-SHA256>")
    return parts[1]


def is_right(secret: bytes, content: bytes, signature: str) -> bool:
    """Whether a signature that `key_id_of` has read is that of these bytes. Takes the same time for every answer."""
    given = signature.rpartition(",")[2].encode(errors="replace")
    return hmac.compare_digest(_mac(secret, content).encode(), given)


def _mac(secret: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.digest(secret, content, "sha256")).decode()
