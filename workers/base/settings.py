"""Settings: every environment variable of the contract, read here and nowhere else."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workers.base import private_files, up_file
from workers.base.masking import hidden, learn, mask

PREFIX = "TENURE_"
PLUMBING = frozenset({"TENURE_RUN"})
"""What `tenure up` tells the processes that it starts; nobody sets it by hand."""

SHARED = ("DATABASE_URL", "REDIS_URL")
"""Read without the prefix too, because that is where a PaaS puts them."""

CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """The contract's settings in lower case. `redis_url` is None while no embedded Valkey runs."""

    database_url: str
    redis_url: str | None
    data_dir: Path
    host_url: str
    backups_url: str
    payments_url: str
    mail_url: str
    trial_days: int
    trial_agents: int
    retention_days: int
    price_cents: int
    currency: str
    min_charge_cents: int
    log_format: str
    test_clock: bool
    deletions_per_hour: int
    deletions_per_day: int
    deletions_share: float
    lease_seconds: float
    producers_file: Path | None
    site_max_files: int
    site_max_bytes: int
    site_seconds: float
    worker_processes: int
    worker_threads: int
    commands_per_minute: int
    site_commands_per_minute: int
    redis_max_mb: int | None
    letters_dir: Path | None
    history_days: int
    bookkeeping_days: int

    def __repr__(self) -> str:
        """Without secrets, wherever it is shown."""
        return f"Settings({masked(self)})"


class SettingsError(Exception):
    """A setting is unknown or makes no sense: it names the variable, its value and what to change."""


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; addresses that are not given come from the `tenure up` that runs on the same data folder.

    Raises `SettingsError`. An empty variable counts as not given, as a PaaS means it.
    """
    learn(environ[name] for name in environ if name.startswith(PREFIX) or name in SHARED)
    _refuse_unknown(environ)
    values = {name: _value(name, environ) for name in READERS}
    found = _running(values)
    if found is not None:
        learn((found.redis_url, found.database_url))
        values["REDIS_URL"] = values["REDIS_URL"] or found.redis_url
        values["DATABASE_URL"] = values["DATABASE_URL"] or found.database_url
    values["DATABASE_URL"] = values["DATABASE_URL"] or f"sqlite:///{values['DATA_DIR'] / 'tenure.db'}"
    return Settings(**{name.lower(): value for name, value in values.items()})


def _running(values: Mapping[str, Any]) -> up_file.UpFile | None:
    """The `tenure up` of the data folder, unless both addresses are given; nothing is believed of another user's."""
    try:
        private_files.check_folder(values["DATA_DIR"])
        is_asked = values["REDIS_URL"] is None or values["DATABASE_URL"] is None
        return up_file.find(values["DATA_DIR"]) if is_asked else None
    except private_files.NotOursError as wrong:
        raise SettingsError(str(wrong)) from None


def redis_url(settings: Settings) -> str:
    """Where Redis is, or a `SettingsError` that says how to get one."""
    if settings.redis_url is None:
        raise SettingsError(
            f"no Redis: `tenure up` is not running on {settings.data_dir}, and TENURE_REDIS_URL is not set."
            " Start the one or set the other."
        )
    return settings.redis_url


def masked(settings: Settings) -> dict[str, str]:
    """Show every setting under its variable's name, passwords in URLs masked."""
    shown = {f"{PREFIX}{field.name.upper()}": getattr(settings, field.name) for field in fields(settings)}
    return {name: mask("" if value is None else str(value)) for name, value in shown.items()}


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {f"{PREFIX}{name}" for name in READERS}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known | PLUMBING:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(sorted(known))}."
            raise SettingsError(f"{name} is not a setting: remove it from the environment; {hint}")


def _value(name: str, environ: Mapping[str, str]) -> Any:
    variable, text = _given(name, environ)
    default, read = READERS[name]
    text = default if text is None else text
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as wrong:
        raise SettingsError(f"{variable}={mask(text)!r} {hidden(str(wrong))}.") from None


def _given(name: str, environ: Mapping[str, str]) -> tuple[str, str | None]:
    names = [f"{PREFIX}{name}", *([name] if name in SHARED else [])]
    for variable in names:
        if text := environ.get(variable, "").strip():
            return variable, text
    return names[0], None


def _whole(text: str, *, least: int, most: int) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or not least <= int(text) <= most:
        raise ValueError(f"must be a whole number from {least} to {most}")
    return int(text)


def _decimal(text: str, *, least: float, most: float) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not least <= float(text) <= most:
        raise ValueError(f"must be a number from {least:g} to {most:g}")
    return float(text)


def _switch(text: str) -> bool:
    words = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}
    if text.lower() not in words:
        raise ValueError("must be 1 or 0")
    return words[text.lower()]


def _path(text: str) -> Path:
    if "?" in text or not text.isprintable():
        raise ValueError("must be a path without question marks and control characters")
    return Path(text).expanduser().resolve()  # a link is followed once, here: adapters follow none


def _not_yet(text: str) -> Path:
    """Refuse what would be ignored: whoever sets this believes that it guards something."""
    raise ValueError(
        f"names {Path(text).name!r}, but this version knows no producers: whoever reaches Redis may send every command."
        " Remove the setting and guard Redis itself"
    )


def _one_of(text: str, *, words: tuple[str, ...]) -> str:
    if text not in words:
        raise ValueError(f"must be one of {', '.join(words)}")
    return text


def _currency(text: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise ValueError("must be three capital letters (ISO 4217), like USD")
    return text


def _database(text: str) -> str:
    """Check a database's address; Heroku's `postgres://` is rewritten and a relative SQLite path made absolute."""
    text = re.sub(r"^postgres://", "postgresql://", text)
    if re.match(r"postgresql(\+[a-z0-9]+)?://.", text):
        return text
    path = re.fullmatch(r"sqlite:///([^?]+)", text)
    if path is None or path[1] == ":memory:":
        raise ValueError("must be sqlite:///path/to/file or postgresql://user:password@host/name")
    return f"sqlite:///{Path(path[1]).absolute()}"


def _redis(text: str) -> str:
    """A port that is none makes `urlsplit` quote it: it may be a password, so its own words are not passed on."""
    try:
        parts = urlsplit(text)
        is_valid = parts.scheme in {"redis", "rediss", "unix"} and bool(parts.netloc or parts.path) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ValueError("must be redis://[:password@]host:port/0, rediss://… or unix://…")
    return text


def _adapter(text: str) -> str:
    """Check the shape only: which schemes there are is the adapters' knowledge."""
    if not re.match(r"[a-z][a-z0-9+.-]*:", text):
        raise ValueError("must be a URL that starts with an adapter's scheme, like file:")
    return text


def _number(least: int, most: int) -> Callable[[str], int]:
    return partial(_whole, least=least, most=most)


READERS: dict[str, tuple[str | None, Callable[[str], Any]]] = {
    "DATABASE_URL": (None, _database),
    "REDIS_URL": (None, _redis),
    "DATA_DIR": (".tenure", _path),
    "HOST_URL": ("file:", _adapter),
    "BACKUPS_URL": ("file:", _adapter),
    "PAYMENTS_URL": ("ledger:", _adapter),
    "MAIL_URL": ("file:", _adapter),
    "TRIAL_DAYS": ("30", _number(1, 366)),
    "TRIAL_AGENTS": ("5", _number(1, 10_000)),
    "RETENTION_DAYS": ("14", _number(14, 3_660)),
    "PRICE_CENTS": ("2000", _number(1, 10_000_000)),
    "CURRENCY": ("USD", _currency),
    "MIN_CHARGE_CENTS": ("50", _number(0, 1_000_000)),
    "LOG_FORMAT": ("auto", partial(_one_of, words=("auto", "console", "json", "logfmt"))),
    "TEST_CLOCK": ("0", _switch),
    "DELETIONS_PER_HOUR": ("20", _number(1, 100_000)),
    "DELETIONS_PER_DAY": ("100", _number(1, 1_000_000)),
    "DELETIONS_SHARE": ("0.05", partial(_decimal, least=0.001, most=1)),
    "LEASE_SECONDS": ("20", partial(_decimal, least=0.05, most=3600)),
    "PRODUCERS_FILE": (None, _not_yet),
    "SITE_MAX_FILES": ("5000000", _number(1, 1_000_000_000)),
    "SITE_MAX_BYTES": ("1000000000000", _number(1, 10**15)),
    "SITE_SECONDS": ("7200", partial(_decimal, least=0.001, most=604_800)),
    "WORKER_PROCESSES": (str(min(CPUS, 8)), _number(1, 64)),
    "WORKER_THREADS": ("8", _number(4, 256)),
    "COMMANDS_PER_MINUTE": ("0", _number(0, 10_000_000)),
    "SITE_COMMANDS_PER_MINUTE": ("120", _number(0, 10_000_000)),
    "REDIS_MAX_MB": (None, _number(16, 1 << 20)),
    "LETTERS_DIR": (None, _path),
    "HISTORY_DAYS": ("90", _number(7, 36_500)),
    "BOOKKEEPING_DAYS": ("30", _number(7, 36_500)),
}
"""Per setting: its default, and the reader that says what is wrong with a value. A default is read like a value."""
