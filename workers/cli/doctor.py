"""Examining: what is wrong, for people, and two probes for a supervisor. `--live` must not wait for imports."""

from importlib import import_module
from typing import Any

import click

from workers.base.settings import Settings, SettingsError, load
from workers.base.terminal import out, warn
from workers.health import live as probes
from workers.health.check import Finding

FAILED = 1
MARKS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


@click.command()
@click.option("--live", "probe", flag_value="live", help="Probe: are the processes here alive? If not, restart them.")
@click.option("--ready", "probe", flag_value="ready", help="Probe: would a command that comes now be done?")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def doctor(*, probe: str | None, as_json: bool) -> None:
    """Check everything, and name the remedy for what is wrong.

    Exits 1 if something fails. A warning works, but somebody should look.
    """
    settings = _settings()
    document = probes.document(probe, _look(probe, settings))
    if probe is None:
        document["settings"] = import_module("workers.health.doctor").settings_of(settings)
    out(document, _text if probe is None else probes.line, as_json=as_json)
    if not document["ok"]:
        raise click.exceptions.Exit(FAILED)


def _settings() -> Settings:
    try:
        return load()
    except SettingsError as wrong:
        warn(f"tenure: {wrong}")
        raise click.exceptions.Exit(FAILED) from None


def _look(probe: str | None, settings: Settings) -> list[Finding]:
    if probe == "live":
        return probes.live(settings.data_dir)
    room, verb = ("readiness", "ready") if probe else ("doctor", "examine_by")
    found: list[Finding] = getattr(import_module(f"workers.health.{room}"), verb)(settings)
    return found


def _text(document: dict[str, Any]) -> str:
    lines = [
        f"{MARKS[row['level']]}  {row['what']:<18} {row['value']}" + (f"  → {row['remedy']}" if row["remedy"] else "")
        for row in document["checks"]
    ]
    return "\n".join([*lines, *(f"      {name}={value}" for name, value in document["settings"].items())])
