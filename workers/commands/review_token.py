"""Review, then yes: a token that holds a dry run's type, data, states, effects and amount for 15 minutes."""

import base64
import binascii
import hmac
import json
from datetime import datetime
from hashlib import sha256
from typing import Any

import engine
from models.columns import to_json
from models.timestamps import stamp, unstamp
from workers.commands.envelope import Envelope

STALE = "review.stale"


def sign(secret: bytes, envelope: Envelope, decision: engine.Decision, now: datetime) -> str:
    """The token of a dry run, made and checked with the database's own secret."""
    content = to_json({**_fixed(envelope, decision), "at": stamp(now)}).encode()
    return f"{_text(content)}.{_text(_mac(secret, content))}"


def quoted_at(token: str, secret: bytes, now: datetime, policy: engine.Policy) -> datetime:
    """The moment of the review, at which its amount holds.

    Raises Refused review.stale for a token that is not ours or older than 15 minutes.
    """
    at = unstamp(_opened(token, secret)["at"])
    if not at <= now < at + policy.review:
        raise engine.Refused(STALE, f"the review of {stamp(at)} is older than {policy.review}; review again")
    return at


def check(token: str, secret: bytes, envelope: Envelope, decision: engine.Decision) -> None:
    """Refuse when what would happen now is not what was reviewed; a token of an older version names fewer things."""
    reviewed, now = _opened(token, secret), _fixed(envelope, decision)
    changed = [name for name, value in now.items() if name in reviewed and reviewed[name] != value]
    if changed:
        raise engine.Refused(STALE, f"{', '.join(changed)} changed since the review; review again")


def _fixed(envelope: Envelope, decision: engine.Decision) -> dict[str, Any]:
    """What a review promises; moments that follow from "now" are no part of it."""
    before, after = decision.before, decision.site
    return {
        "content": sha256(to_json([envelope.type, envelope.subject, dict(envelope.data)]).encode()).hexdigest(),
        "version": before.version if before else None,
        "from": before.state if before else None,
        "to": after.state if after else None,
        "effects": [effect.kind for effect in decision.effects],
        "restores": next((effect.args["backup"] for effect in decision.effects if effect.kind == "restore"), None),
        "amount": decision.charge.amount_cents if decision.charge else None,
        "currency": decision.charge.currency if decision.charge else None,
    }


def _opened(token: str, secret: bytes) -> dict[str, Any]:
    try:
        content, mac = (base64.urlsafe_b64decode(f"{part}===") for part in token.split("."))
    except (ValueError, binascii.Error):
        content, mac = b"", b""
    if not hmac.compare_digest(mac, _mac(secret, content)):
        raise engine.Refused(STALE, "the review token was not made here; review again")
    opened: dict[str, Any] = json.loads(content)
    return opened


def _mac(secret: bytes, content: bytes) -> bytes:
    return hmac.digest(secret, content, "sha256")


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
