"""Letters in the operator's own words: a folder of templates, each in the place of the one of its name.

`<letter>.txt` is written like those in `letter_texts/` and may use the same facts; every fact that the shipped letter
always names must be in it, so that no customer misses a date or an amount. `layout.html` turns on the HTML part: one
page for all letters (Jinja), see `letter_html.py`. All is read and checked once, at the start of a process.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from workers.base.settings import SettingsError
from workers.effects.letter_html import LAYOUT, Layout, layout_of
from workers.effects.letters import KINDS, PLACEHOLDER, needed, parted, template

ALWAYS = frozenset({"site", "currency"})
MOST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Wording:
    """What an operator's folder says: texts by the letter's name, and the page of the HTML part."""

    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    layout: Layout | None = None


@cache
def wording_of(folder: Path | None) -> Wording:
    """Read and check a folder. Raises SettingsError that names the file, the line and the remedy."""
    if folder is None:
        return Wording()
    if not folder.is_dir():
        raise SettingsError(f"TENURE_LETTERS_DIR={str(folder)!r} is no folder: make it, or remove the setting")
    texts, layout = {}, None
    for path in sorted(folder.iterdir()):
        if path.name == LAYOUT:
            layout = _layout(path)
        elif not path.name.startswith("."):
            kind = _kind(path)
            texts[kind] = _checked(kind, path)
    return Wording(texts, layout)


def _kind(path: Path) -> str:
    if path.suffix != ".txt" or path.stem not in KINDS:
        known = ", ".join(f"{kind}.txt" for kind in KINDS)
        raise SettingsError(f"{path} is no letter: remove it, or give it one of these names: {LAYOUT}, {known}")
    return path.stem


def _read(path: Path) -> str:
    try:
        raw = path.read_bytes()
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as wrong:
        raise SettingsError(f"{path} can't be read ({wrong}): it must be a file in UTF-8") from None
    if len(raw) > MOST_BYTES:
        raise SettingsError(f"{path} has {len(raw)} bytes: a letter has {MOST_BYTES} at most")
    return text


def _layout(path: Path) -> Layout:
    try:
        return layout_of(_read(path))
    except ValueError as wrong:
        raise SettingsError(f"{path} {wrong}") from None


def _checked(kind: str, path: Path) -> tuple[str, ...]:
    """The template of a file."""
    lines = tuple(_read(path).splitlines())
    if len(lines) < 2 or not lines[0].strip():  # noqa: PLR2004 - subject and body
        raise SettingsError(f"{path} needs a subject in its first line, and a body")
    for number, line in enumerate(lines, 1):
        for wrong in _wrong(kind, line, is_subject=number == 1):
            raise SettingsError(f"{path}, line {number}: {wrong}")
    missing = sorted(needed(kind) - {"currency"} - frozenset(PLACEHOLDER.findall("\n".join(lines))))
    if missing:
        names = ", ".join(f"{{{fact}}}" for fact in missing)
        raise SettingsError(f"{path} does not say {names}: every customer is told that, so put it in")
    return lines


def _wrong(kind: str, line: str, *, is_subject: bool) -> Iterator[str]:
    """What is wrong with a line."""
    conditions, text = parted(line)
    if not line.isprintable():
        yield "it has a control or format character: leave it out"
    if re.search(r"[{}]", PLACEHOLDER.sub("", text)):
        yield "a brace stands alone: a fact is written {fact}"
    if is_subject and conditions:
        yield "the subject has no conditions: leave them out"
    known = uses(kind)
    for how, fact in conditions:
        if fact not in known:
            yield f"[{how}{fact}] is no fact of this letter: use one of {_names(kind)}"
        elif how != "?" and not _is_given(kind, fact):
            yield f"[{how}{fact}] is not always given: write [?{fact}]"
    for fact in PLACEHOLDER.findall(text):
        if fact not in known:
            yield f"{{{fact}}} is no fact of this letter: use one of {_names(kind)}"
        elif not _is_known(kind, fact, frozenset(conditions)):
            yield f"{{{fact}}} may be unknown: begin the line with [{'' if _is_given(kind, fact) else '?'}{fact}]"


Conditions = frozenset[tuple[str, str]]


@cache
def uses(kind: str) -> dict[str, list[Conditions]]:
    """Every fact of the shipped letter, with the conditions under which it names the fact."""
    found: dict[str, list[Conditions]] = {fact: [frozenset()] for fact in ALWAYS}
    for line in template(kind):
        conditions, text = parted(line)
        for _, fact in conditions:
            found.setdefault(fact, [])
        for fact in PLACEHOLDER.findall(text):
            found.setdefault(fact, []).append(frozenset(conditions))
    return found


def _is_given(kind: str, fact: str) -> bool:
    """Whether the shipped letter counts on being told it, if only that it is unknown."""
    asked = {how for line in template(kind) for how, name in parted(line)[0] if name == fact}
    return bool(asked & {"", "!"}) or frozenset() in uses(kind)[fact]


def _is_known(kind: str, fact: str, conditions: Conditions) -> bool:
    """Whether a fact is certainly known where these conditions hold."""
    itself = {("", fact), ("?", fact)} & conditions
    return bool(itself) or any(shipped <= conditions for shipped in uses(kind)[fact])


def _names(kind: str) -> str:
    return ", ".join(sorted(uses(kind)))
