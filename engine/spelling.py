"""One spelling for the many ways in which a text can write the same e-mail address."""

import re
import unicodedata
from base64 import b64decode
from collections.abc import Iterable
from html import unescape

AT_SIGNS = (
    *("@", "\uff20", "\ufe6b", "%40", "%25", "%ef%bc%a0", "%ef%b9%ab", "=40", "=ef=bc=a0", "=ef=b9=ab", "=?"),
    *("u0040", "uff20", "ufe6b", "x40", "&#", "&commat"),
)
"""How an at sign may be written, in lower case: itself or full-width, in a URL, in a mail, in JSON, in HTML."""

DEEPEST = 4
"""Encodings within encodings that are undone: a URL in JSON in JSON is three."""

_ESCAPING = re.compile(r"[\\%=&]|xn--", re.IGNORECASE)
_SOFT_BREAK = re.compile(r"=(?:\r?\n|(?:\\{1,8}r)?\\{1,8}n)|(?<=\?=)\s+(?==\?)")
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,40})\?([bq])\?([^?\s]*)\?=", re.IGNORECASE)
_UNITS = re.compile(r"(?:\\{1,8}u[0-9a-f]{4})+", re.IGNORECASE)
_BYTES = re.compile(r"(?:\\{1,8}x[0-9a-f]{2})+|(?:%[0-9a-f]{2})+|(?:=[0-9a-f]{2})+", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]{2,4}", re.IGNORECASE)
_A_LABEL = re.compile(r"xn--([a-z0-9-]{1,59})")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")


def plain(text: str) -> str:
    """The text as every other spelling of it would be: decoded, lower case, composed, domains in Unicode.

    It is for comparing only: what is no encoding at all may be changed as well, in the same way wherever it stands.
    """
    if _ESCAPING.search(text) is None:
        return text.lower() if text.isascii() else _folded(text)
    for _ in range(DEEPEST):
        before, text = text, _decoded(text)
        if text == before:
            break
    return _A_LABEL.sub(_from_a_label, _folded(text))


def names(text: str, known: Iterable[str]) -> bool:
    """Whether a text names one of these addresses, which are `plain` already, in whatever spelling."""
    if not has_at_sign(text):
        return False
    spelled = plain(text)
    return any(address in spelled for address in known)


def has_at_sign(text: str) -> bool:
    """Whether a text may hold an address at all."""
    if text.isascii() and not ("@" in text or "%" in text or "\\" in text or "&" in text):  # most texts, and log lines
        return "=" in text and ("=40" in text or "=?" in text or "=ef=b" in text.lower())
    lowered = text.lower()
    return any(sign in lowered for sign in AT_SIGNS)


def _folded(text: str) -> str:
    """Without case, width, ligatures and invisible characters; letters composed."""
    folded = unicodedata.normalize("NFKC", text.translate(_DOTS)).casefold()
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", folded)).translate(_DOTS)


def _decoded(text: str) -> str:
    """One layer of encoding less."""
    text = _SOFT_BREAK.sub("", text)
    text = _ENCODED_WORD.sub(_from_encoded_word, text)
    text = _UNITS.sub(_from_units, text)
    text = _BYTES.sub(_from_bytes, text)
    return unescape(text) if "&" in text else text


def _from_encoded_word(found: re.Match[str]) -> str:
    """RFC 2047: a word of a mail's header in another character set."""
    charset, how, content = found.groups()
    try:
        if how in "bB":
            return b64decode(content + "=" * (-len(content) % 4)).decode(charset, "replace")
        return _BYTES.sub(lambda part: _read(_of(part[0]), charset), content.replace("_", " "))
    except (ValueError, LookupError):
        return found[0]


def _from_units(found: re.Match[str]) -> str:
    """JSON: units of UTF-16."""
    units = bytes.fromhex("".join(_HEX.findall(found[0].replace("\\", "").replace("u", " ").replace("U", " "))))
    return units.decode("utf-16-be", "replace")


def _from_bytes(found: re.Match[str]) -> str:
    return _read(_of(found[0]), "utf-8")


def _of(run: str) -> bytes:
    return bytes.fromhex(re.sub(r"[\\xX%=]", "", run))


def _read(found: bytes, charset: str) -> str:
    """Bytes as their character set says, or as they were before there were any."""
    try:
        return found.decode(charset)
    except UnicodeDecodeError:
        return found.decode("latin-1")


def _from_a_label(found: re.Match[str]) -> str:
    try:
        return _folded(found[1].encode().decode("punycode"))
    except (UnicodeError, ValueError, OverflowError):
        return found[0]
