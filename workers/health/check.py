"""What was looked at and how it is: well, a warning, a failure, or so bad that nothing may start on it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from workers.base.logs import log

Level = Literal["ok", "warn", "fail", "refuse"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `remedy` says what it does and what to change, and is None when it is well."""

    what: str
    value: str
    remedy: str | None = None
    level: Level = "ok"

    @property
    def well(self) -> bool:
        """Whether nothing needs to be done."""
        return self.level == "ok"

    @property
    def fails(self) -> bool:
        """Whether data would be lost, or something stands still."""
        return self.level in {"fail", "refuse"}

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        return f"{self.what}: {self.value}" + (f"; {self.remedy}" if self.remedy else "")


def well(what: str, value: str) -> Finding:
    """Nothing needs to be done."""
    return Finding(what, value)


def warning(what: str, value: str, remedy: str) -> Finding:
    """It works, and somebody should know."""
    return Finding(what, value, remedy, "warn")


def failure(what: str, value: str, remedy: str) -> Finding:
    """Data would be lost, or something stands still."""
    return Finding(what, value, remedy, "fail")


def refusal(what: str, value: str, remedy: str) -> Finding:
    """A failure on which nothing may start."""
    return Finding(what, value, remedy, "refuse")


def must_be_safe(findings: Iterable[Finding]) -> list[Finding]:
    """Raise ValueError on the first refusal, else return them all."""
    found = list(findings)
    for one in found:
        if one.level == "refuse":
            raise ValueError(one.sentence)
    return found


def tell(findings: Iterable[Finding]) -> None:
    """Say in the log what is not well."""
    for one in findings:
        if not one.well:
            log.warning("alarm", error=one.sentence)
