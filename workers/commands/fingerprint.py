"""The fingerprint of what an idempotency key stands for: type, subject, data and expectedversion."""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

ONCE_NULL = {"site.cancel": "reason", "site.pay": "payment_method"}
"""The fields that version 0.1 took a null for, and counted as content."""


def of_content(kind: Any, subject: str, data: Any, expected: Any, *more: Any) -> str:
    """The fingerprint of a command whose subject is as it is kept, and whose data has no nulls."""
    return sha256(_CANONICAL([kind, subject, data, expected, *more]).encode()).hexdigest()


def of_0_1(raw: Mapping[str, Any], subject: str) -> Iterator[str]:
    """How version 0.1 may have taken the same command: it knew one spelling of a subject, and took nulls as content."""
    kind, data, expected = raw.get("type"), raw.get("data") or {}, raw.get("expectedversion")
    for spelled in (str(raw.get("subject")).lower(), subject):
        yield of_content(kind, spelled, data, expected)
        if isinstance(kind, str) and kind in ONCE_NULL and isinstance(data, dict):
            yield of_content(kind, spelled, {ONCE_NULL[kind]: None, **data}, expected)
            yield of_content(kind, spelled, {k: v for k, v in data.items() if v is not None}, expected)
