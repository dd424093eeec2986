"""Secrets in addresses: masked whatever their shape, and taken out of every text that may quote one."""

import re
from collections.abc import Iterable
from urllib.parse import unquote

MASK = "***"
SCHEMES = (
    *("redis", "rediss", "valkey", "valkeys", "unix", "postgresql", "postgres", "sqlite", "smtp", "smtps", "s3"),
    *("stripe", "file", "exec", "ledger", "http", "https"),
)
SCHEME = re.compile(rf"(?:{'|'.join(SCHEMES)})(?:\+[a-z0-9]+)?:", re.IGNORECASE)
WELL_FORMED = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*:(?://)?)"
    r"(?:(?P<user>[^:@/?#\s]*)(?P<password>:[^/?#\s]*)?@)?"
    r"(?P<place>(?:\[[0-9a-fA-F:.]+\]|[^:@?#\s\[\]]|(?<=[^/:]):[0-9]*(?=[/,?]|\Z))*)"
    r"(?P<query>\?(?:from=[^&#\s]*|[^=&#@\s]+=[^&#@\s]*)(?:&(?:from=[^&#\s]*|[^=&#@\s]+=[^&#@\s]*))*)?\Z"
)
"""An address in which everything has its place: the password is where passwords are."""

SECRET_MEMBER = re.compile(r"(?i)((?:pass(?:word|wd)?|pwd|secret|key|token|credential|signature)[^=&]*=)[^&]*")
PROVIDERS_KEY = re.compile(r"\b([sr]k_(?:live|test)_)\w+")
SEPARATORS = re.compile(r"[/:@?#\s\uff0f\uff1a\uff20\ufe6b]+")
"""Where a library may cut an address; it reads the wide forms of these characters alike."""

SHORTEST = 4
"""Characters of a secret that is looked for: a shorter one is in every text."""

_known: list[str] = []
"""Longest first: one that is a part of another must not leave the rest of it."""


def mask(text: str) -> str:
    """A setting's value without its secrets. Of a malformed address its scheme and host are left."""
    if _is_address(text):
        match = WELL_FORMED.match(text)
        text = _of_well_formed(match) if match else _of_malformed(text)
    return SECRET_MEMBER.sub(rf"\1{MASK}", PROVIDERS_KEY.sub(rf"\1{MASK}", text))


def learn(texts: Iterable[str]) -> None:
    """Remember what `mask` would take out of these settings, so that no error that quotes it shows it."""
    found = {one for text in texts for one in _secrets_of(text) if len(one) >= SHORTEST}
    _known[:] = sorted(found.union(_known), key=len, reverse=True)


def hidden(text: str) -> str:
    """A text without any secret that was learnt, as it stands or percent-encoded."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, MASK)
    return text


def _is_address(text: str) -> bool:
    return "@" in text or SCHEME.match(text) is not None or "://" in text


def _of_well_formed(parts: re.Match[str]) -> str:
    user, password = parts["user"], parts["password"]
    who = "" if user is None else f"{MASK}@" if password is None else f"{user}:{MASK}@"
    return f"{parts['scheme']}{who}{parts['place']}{parts['query'] or ''}"


def _of_malformed(text: str) -> str:
    """What comes before the last at sign may all be secret; after it comes a host, as far as it looks like one."""
    scheme = SCHEME.match(text)
    _, at, place = text.rpartition("@")
    host = re.match(r"[\w.\-\[\]]*(?::[0-9]+)?(?:/[\w.\-/]*)?", place) if at else None
    return f"{scheme[0] if scheme else ''}{MASK}{at}{host[0] if host else ''}"


def _secrets_of(text: str) -> Iterable[str]:
    yield from (found[0].removeprefix(found[1]) for found in SECRET_MEMBER.finditer(text))
    for found in PROVIDERS_KEY.finditer(text):
        yield from (found[0], found[0].removeprefix(found[1]))
    if not _is_address(text):
        return
    match = WELL_FORMED.match(text)
    if match is None:
        yield from _parts(text)
    elif match["user"] is not None:
        secret = match["user"] if match["password"] is None else match["password"][1:]
        yield from (secret, unquote(secret), *SEPARATORS.split(secret))


def _parts(text: str) -> Iterable[str]:
    """Of an address that makes no sense: all that was masked, and each part that a library may quote alone."""
    scheme = SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text
    secret = rest.rpartition("@")[0] or rest
    for part in (secret, secret.lstrip("/:"), *SEPARATORS.split(secret)):
        yield from (part, unquote(part))
