"""The HTML part of letters: one layout for all of them, in Jinja, filled with the plain text's own words.

The layout gets `subject` and `blocks`; a block has `text` and `is_table` (rows that keep their columns). Values are
escaped; `urlize` makes links. `layout.html` in `letter_texts/` is one to begin with.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYOUT = "layout.html"
SAMPLE_SUBJECT, SAMPLE_TEXT = "Subject <&>", "Words <of> a & letter"


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph as one line, or rows that keep their columns."""

    text: str
    is_table: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """A compiled page."""

    page: Any

    def html(self, subject: str, body: str) -> str:
        """The HTML part of a letter with this subject and this plain text."""
        return str(self.page.render(subject=subject, blocks=list(blocks(body))))


def blocks(body: str) -> "Iterator[Block]":
    """The paragraphs and tables of a plain text."""
    for part in body.strip("\n").split("\n\n"):
        lines = part.splitlines()
        is_table = bool(lines) and all(line.startswith(" ") for line in lines)
        if is_table:
            yield Block("\n".join(line.removeprefix("  ") for line in lines), is_table)
        else:
            yield Block(" ".join(line.strip() for line in lines), is_table)


def layout_of(text: str) -> Layout:
    """Compile a layout and try it. Raises ValueError that says what is wrong with it."""
    import jinja2  # noqa: PLC0415 - only where an operator wants HTML: a tenth of a second

    try:
        layout = Layout(_environment().from_string(text))
        tried = layout.html(SAMPLE_SUBJECT, f"{SAMPLE_TEXT}\n")
    except jinja2.TemplateError as wrong:
        line = f" (line {wrong.lineno})" if isinstance(wrong, jinja2.TemplateSyntaxError) else ""
        raise ValueError(f"is no layout: {wrong}{line}; it may use subject and blocks") from None
    except (TypeError, ArithmeticError, LookupError, AttributeError) as wrong:
        raise ValueError(f"is no layout: {type(wrong).__name__}: {wrong}") from None
    if "Words &lt;of&gt; a &amp; letter" not in tried:
        raise ValueError("does not show the letter: write {{ block.text }} for each of blocks, and do not mark it safe")
    return layout


@cache
def _environment() -> Any:
    from jinja2 import StrictUndefined  # noqa: PLC0415 - see above
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415 - see above

    return ImmutableSandboxedEnvironment(autoescape=True, undefined=StrictUndefined)
