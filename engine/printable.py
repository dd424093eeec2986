"""Characters that may harm whoever reads them: they are refused at the door, and escaped wherever text is printed."""

import re

RANGES = (
    *((0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x600, 0x605), (0x61C, 0x61C), (0x6DD, 0x6DD), (0x70F, 0x70F)),
    *((0x890, 0x891), (0x8E2, 0x8E2), (0x180E, 0x180E), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F)),
    *((0xE000, 0xF8FF), (0xFDD0, 0xFDEF), (0xFEFF, 0xFEFF), (0xFFF0, 0xFFFB), (0xFFFE, 0xFFFF)),
    *((0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A)),
    *((0xE0000, 0xE00FF), (0xE01F0, 0xE0FFF), (0xF0000, 0x10FFFF)),
)
"""Controls, format characters (zero-width and bidirectional ones among them), line and paragraph separators, private
use and what is no character. Surrogates are not here: whether a text can hold one is its reader's matter."""

UNSAFE_CLASS = "".join(f"{chr(first)}-{chr(last)}" for first, last in RANGES)
"""The inside of a character class, in the characters themselves: Python, Rust and JSON Schema read it alike."""

UNSAFE = re.compile(f"[{UNSAFE_CLASS}\ud800-\udfff]")


def escaped(text: str) -> str:
    """The text with every harmful character as Python writes it in a string."""
    return text if text.isascii() and text.isprintable() else UNSAFE.sub(_escape, text)


def escaped_lines(text: str) -> str:
    """The same for a text of many lines, which stay lines."""
    return "\n".join(map(escaped, text.split("\n")))


def is_printable(text: str) -> bool:
    """Whether a text has no harmful character."""
    return (text.isascii() and text.isprintable()) or UNSAFE.search(text) is None


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")
