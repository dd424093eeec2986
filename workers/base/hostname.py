"""Hostnames: kept as A-labels, found and shown in both forms, refused with the form that would be accepted."""

import re
import unicodedata

import idna

from engine.printable import UNSAFE, is_printable

HOSTNAME = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
SITE_ID = re.compile(r"site_[0-9a-z_]{1,64}\Z")
A_LABEL = "xn--"

RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def a_labels(text: str) -> str:
    """A hostname as it is kept: lower case, without a last dot, each label in ASCII (UTS 46, IDNA 2008).

    Raises ValueError that says what is wrong with it.
    """
    if HOSTNAME.match(text) and A_LABEL not in text:
        return text
    if not is_printable(text):
        raise ValueError("it has control, format or bidirectional characters")
    host = _in_ascii(text).removesuffix(".")
    if not HOSTNAME.match(host):
        raise ValueError("it is no name of letters, digits, hyphens and at least one dot")
    if A_LABEL in host:
        _check_labels(host)
    return host


def sought(text: str) -> str:
    """A hostname or a site's id as it is looked up.

    What could be a hostname once is looked for as it stands: a site that has it already must still be found.
    Raises ValueError for what can be neither.
    """
    if HOSTNAME.match(text) and A_LABEL not in text:
        return text
    lowered = text.lower()
    if SITE_ID.match(lowered):
        return lowered
    try:
        return a_labels(text)
    except ValueError:
        if HOSTNAME.match(lowered):
            return lowered
        raise


def in_unicode(host: str) -> str:
    """A hostname as its readers write it; as it stands where that is the same, or can't be shown."""
    if A_LABEL not in host:
        return host
    try:
        shown = idna.decode(host)
    except UnicodeError:
        return host
    return shown if is_printable(shown) else host


def acceptable(text: str) -> str | None:
    """The hostname that somebody may have meant, without path and what can't be seen; None if there is none."""
    if "@" in text:
        return None
    bare = re.sub(r"^[a-z][a-z0-9+.-]*://", "", UNSAFE.sub("", text).strip().lower())
    bare = re.split(r"[/?#:\s]", bare.strip(". "), maxsplit=1)[0].replace("_", "-")
    try:
        return a_labels(bare)
    except ValueError:
        return None


def _in_ascii(text: str) -> str:
    if text.isascii():
        return text.lower()
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode()
    except UnicodeError as wrong:
        raise ValueError(f"it is no internationalized name: {wrong}") from None


def _check_labels(host: str) -> None:
    """Whether its A-labels are such: they come back as they were, and the name can't be shown as another one."""
    try:
        labels = [idna.ulabel(label) if label.startswith(A_LABEL) else label for label in host.split(".")]
        if any(unicodedata.bidirectional(one) in RIGHT_TO_LEFT for label in labels for one in label):
            for label in labels:
                idna.check_bidi(label, check_ltr=True)
    except UnicodeError as wrong:
        raise ValueError(f"it has a label that is no A-label: {wrong}") from None
