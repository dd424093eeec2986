"""E-mail addresses: one rule for the door, which takes them in, and for the mailers, which send to them.

What passes is one mailbox that any mail server understands: no quotes, no comments, no address literals, no words of
RFC 2047, and a domain with a dot. Whether it exists is not asked. The domain is kept as A-labels, so that only a local
part beyond ASCII needs a server with SMTPUTF8.
"""

import re
import unicodedata
from functools import cache
from typing import Any

from engine.printable import is_printable

ORDINARY = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}\Z")
SHORT = 64
RESERVED = (".local", ".localhost", ".onion", ".arpa")
"""Most addresses are short and ordinary: the library would take them as they stand, after fifty times as long."""

LONGEST = 254
FOR_TESTS = frozenset({"test", "invalid"})
"""Names that are reserved and taken here; `example` the library takes by itself."""

ENCODED_WORD = "=?"


def normal(text: str) -> str:
    """An address as it is kept and sent to: its local part composed, its domain in lower-case A-labels.

    Raises ValueError that says what is wrong, without the address.
    """
    if len(text) <= SHORT and ORDINARY.match(text) and "--" not in text and not text.endswith(RESERVED):
        return text
    if len(text) > LONGEST:
        raise ValueError(f"an e-mail address has at most {LONGEST} characters")
    if not is_printable(text):
        raise ValueError("an e-mail address has no control, format or bidirectional characters; leave them out")
    if ENCODED_WORD in text:
        raise ValueError("an e-mail address has no encoded words (=?…?=); write it as it is")
    try:
        found = _library().validate_email(text, strict=True, check_deliverability=False)
    except ValueError as wrong:
        why = str(wrong).replace("@-sign", "at sign").replace("@", "at").removesuffix(".")
        raise ValueError(f"{why}. Give one address: a name, an at sign, a domain with a dot") from None
    local = unicodedata.normalize("NFC", text.rpartition("@")[0])
    return f"{local}@{found.ascii_domain}"


def needs_smtputf8(address: str) -> bool:
    """Whether only a mail server with SMTPUTF8 can take mail for it."""
    return not address.isascii()


@cache
def _library() -> Any:
    """The library, loaded when the first unusual address comes: that takes as long as a hundred commands."""
    import email_validator  # noqa: PLC0415 - a start-up cost

    reserved = email_validator.SPECIAL_USE_DOMAIN_NAMES
    reserved[:] = [name for name in reserved if name not in FOR_TESTS]
    return email_validator
