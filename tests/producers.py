"""Producers for tests: a file with keys, and envelopes signed as another system signs them."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from models.clock import machine_now
from models.timestamps import stamp
from workers.producers import loading
from workers.producers.file import read

SECRETS = {name: sha256(name.encode()).digest() for name in ("billing", "portal", "billing-2")}
SOON, LATER = timedelta(days=-1), timedelta(days=30)


def write(world: Any, text: str, **secrets: bytes) -> None:
    """Write the producers file of a world, with the secrets that it names as `<id>.key`; nobody else may read it."""
    world.data_dir.mkdir(exist_ok=True)  # on PostgreSQL nothing else has made it yet
    for name, secret in {**SECRETS, **secrets}.items():
        save(world.data_dir / f"{name}.key", base64.b64encode(secret).decode())
    save(world.data_dir / "producers.toml", text)


def save(path: Any, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def entry(name: str, *, fields: str = "", key: str | None = None, since: Any = SOON, until: Any = LATER) -> str:
    """The tables of one producer with one key, whose window is told from now."""
    now = datetime.now(UTC)
    window = f"not_before = {stamp(now + since)}\nnot_after = {stamp(now + until)}\n"
    head = f"[producers.{name}]\n{fields}\n[[producers.{name}.keys]]\n"
    return f'{head}id = "{key or name}"\nsecret_file = "{key or name}.key"\n{window}\n'


def load(world: Any, text: str) -> None:
    """Write the file and load it, as a clock does."""
    write(world, text)
    found = read(world.data_dir / "producers.toml")
    assert found is not None
    loading.load(world.context.database, found)


def signed(body: dict[str, Any], *, key: str = "billing", secret: bytes | None = None, time: str | None = None) -> Any:
    """The arguments of a message: the envelope as text, and its signature."""
    text = json.dumps({"time": time or stamp(machine_now()), **body})
    digest = hmac.new(secret or SECRETS[key], text.encode(), sha256).digest()
    return text, f"v1,{key},{base64.b64encode(digest).decode()}"
