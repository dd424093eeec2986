"""`tenure doctor --live`: whether a restart would help. It asks the processes of this machine and nobody else."""

from pathlib import Path

from workers.base.documents import Document
from workers.health import heartbeats
from workers.health.check import Finding, failure, well


def live(data_dir: Path) -> list[Finding]:
    """The processes that work on a data folder, here; Redis and the database may be away."""
    found = [_process(sign) for sign in heartbeats.signs(data_dir)]
    if found:
        return found
    supervisor = heartbeats.supervisor(data_dir)
    if supervisor is not None:
        return [well("tenure up", f"process {supervisor}, whose processes start or have ended")]
    remedy = f"start `tenure up` or the Procfile's processes, and let them write to {data_dir / heartbeats.FOLDER}"
    return [failure("processes", "not there", remedy)]


def _process(sign: heartbeats.Sign) -> Finding:
    name, shown = f"{sign.role} {sign.pid}", f"{max(0.0, sign.age_seconds):.0f} s ago"
    if not sign.is_hung:
        return well(name, f"answered {shown}")
    return failure(name, "silent", f"it lives and answered last {shown}: restart it")


def document(probe: str | None, findings: list[Finding]) -> Document:
    """`tenure/doctor/1`: whether nothing fails, the first that does, and every check with its level and remedy."""
    rows = [
        {
            "what": one.what,
            "value": one.value,
            "well": one.well,
            "level": "fail" if one.fails else one.level,
            "remedy": one.remedy,
        }
        for one in findings
    ]
    wrong = [one.sentence for one in findings if one.fails]
    why = wrong[0] if wrong else None
    return {"schema": "tenure/doctor/1", "probe": probe, "ok": not wrong, "why": why, "checks": rows}


def line(found: Document) -> str:
    """A probe in one line."""
    if not found["ok"]:
        return f"not {found['probe']}: {found['why']}"
    return f"{found['probe']}: " + ", ".join(f"{row['what']} {row['value']}" for row in found["checks"])
