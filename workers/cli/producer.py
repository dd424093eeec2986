"""`tenure producer`: which other systems may send commands, and with which keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import click
from redis.exceptions import RedisError

from models import schema
from models.clock import machine_now
from models.database import reading
from models.timestamps import stamp
from workers.base.documents import Document
from workers.base.terminal import out, warn
from workers.cli.exit_codes import NotFoundError
from workers.cli.verb import as_json, with_context
from workers.context import Context
from workers.producers import editing, known, loading, redis_users
from workers.producers.editing import NewKey, NoSuchProducerError
from workers.producers.file import ProducersFile, read
from workers.producers.known import OPERATOR
from workers.supervisor import embedded_users

OPERATORS: Document = {"sources": ["tenure-cli", "tenure-cli:*", "console:*"], "types": ["*"], "accounts": ["*"]}
"""The entry of the producer as which `tenure send` signs."""

BEGINS = "from now on every command must be signed (docs/contract.md, section 8); `tenure send` signs as the producer"


@click.group()
def producer() -> None:
    """Say which other systems may send commands, and give them keys."""


@producer.command(epilog="Example: tenure producer add billing --types site.subscribe,site.pay")
@click.argument("name")
@click.option("--types", help="Types with commas, or customer, operator, *. customer unless given.")
@click.option("--accounts", help="Accounts whose sites it may ask for, with commas. All unless given.")
@click.option("--sources", help="Sources that it alone may use, with commas. /NAME and /NAME/* unless given.")
@click.option("--per-minute", type=int, help="How many commands it may send in a minute.")
@click.option("--events", is_flag=True, help="Let it read the events of all sites.")
@as_json
@with_context
def add(
    context: Context,
    name: str,
    *,
    types: str | None,
    accounts: str | None,
    sources: str | None,
    per_minute: int | None,
    events: bool,
    as_json: bool,
) -> None:
    """Let another system send commands, and print once what it needs.

    From the first one on every command must be signed.
    """
    _must_have_tables(context)
    path, now = loading.path_of(context.settings), machine_now()
    fields: Document = OPERATORS if name == OPERATOR else {"sources": [f"/{name}", f"/{name}/*"]}
    words = {"sources": sources, "types": types, "accounts": accounts}
    fields = fields | {one: text.split(",") for one, text in words.items() if text is not None}
    fields |= {"per_minute": per_minute} if per_minute is not None else {}
    fields |= {"events": True} if events else {}
    with editing.alone(path):
        begins = not context.producers.now().is_enforced
        found = read(path)
        if name != OPERATOR and (found is None or OPERATOR not in found.producers):
            editing.add(path, OPERATOR, OPERATORS, now)
        made = editing.add(path, name, fields, now)
        _load(context)
    if begins:
        warn(f"tenure: {BEGINS} {OPERATOR}")
    out(_document(context, name, made), _once, as_json=as_json)


@producer.command("list")
@as_json
@with_context
def list_producers(context: Context, *, as_json: bool) -> None:
    """List the producers: what each may do, and its keys without secrets."""
    out(_listing(context), _lines, as_json=as_json)


@producer.command()
@click.argument("name")
@click.option("--overlap", default=7, show_default=True, help="For how many days the older keys are still valid.")
@as_json
@with_context
def rotate(context: Context, name: str, *, overlap: int, as_json: bool) -> None:
    """Give a producer a new key and a new password, and print them once.

    The older keys end after the overlap. The password before this one holds until the next rotation.
    """
    path = loading.path_of(context.settings)
    with editing.alone(path), _not_found():
        made = editing.rotate(path, name, timedelta(days=overlap), machine_now())
        _load(context)
    out(_document(context, name, made), _once, as_json=as_json)


@producer.command()
@click.argument("name")
@with_context
def remove(context: Context, name: str) -> None:
    """Take a producer's rights and keys away at once."""
    if name == OPERATOR:
        raise ValueError(f"`tenure send` signs as {OPERATOR}; `tenure producer rotate {OPERATOR}` gives it a new key")
    path = loading.path_of(context.settings)
    with editing.alone(path), _not_found():
        editing.remove(path, name)
        _load(context)


@producer.command()
@click.argument("name")
@click.option("--before-7", is_flag=True, help="Print the users for a Redis before version 7, which has no selectors.")
@with_context
def acl(context: Context, name: str, *, before_7: bool) -> None:
    """Print what makes the producer's user in a Redis of your own."""
    found = context.producers.now().producers.get(name)
    if found is None:
        raise NotFoundError(f"there is no producer {name!r}; `tenure producer list` shows all")
    users = redis_users.rules_before_7(found) if before_7 else {name: redis_users.rules(found)}
    for user, words in users.items():
        click.echo(" ".join(("ACL SETUSER", user, *(f'"{word}"' if " " in word else word for word in words))))


@contextmanager
def _not_found() -> Iterator[None]:
    try:
        yield
    except NoSuchProducerError as missing:
        raise NotFoundError(str(missing)) from None


def _must_have_tables(context: Context) -> None:
    with reading(context.database) as tx:
        unfit = schema.unfit(tx)
    if unfit is not None:
        raise ValueError(unfit)


def _load(context: Context) -> None:
    """Tell all hosts, and the embedded Valkey if it runs."""
    found: ProducersFile | None = read(loading.path_of(context.settings))
    if found is None:
        raise ValueError("the producers file is gone; run it again")
    loading.load(context.database, found)
    try:
        embedded_users.keep(context)
    except RedisError as wrong:
        warn(f"tenure: {wrong}; the users of Redis are made when it answers again")


def _document(context: Context, name: str, made: NewKey) -> Document:
    """`tenure/producer/1`: what the other system needs."""
    url = context.settings.redis_url
    return {
        "schema": "tenure/producer/1",
        "name": name,
        "redis_url": None if url is None else _url_of(url, name, made.password),
        "key": {"id": made.id, "secret": made.secret},
    }


def _url_of(url: str, name: str, password: str) -> str:
    """The address of Redis for another user than the engine's."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{name}:{password}@{place}"))


def _once(shown: Document) -> str:
    key = shown["key"]
    lines = (f"redis   {shown['redis_url']}", f"key id  {key['id']}", f"secret  {key['secret']}")
    return "\n".join((f"{shown['name']} needs this; it is not shown again:", *lines))


def _listing(context: Context) -> Document:
    """`tenure/producers/1`: who may what, and until when."""
    with reading(context.database) as tx:
        found = known.read(tx)
    return {
        "schema": "tenure/producers/1",
        "signed": found.is_enforced,
        "producers": [
            {
                "name": one.name,
                "sources": list(one.sources),
                "types": sorted(one.types),
                "accounts": list(one.accounts),
                "replyto": one.replyto,
                "per_minute": one.per_minute or None,
                "events": one.may_read_events,
                "keys": [
                    {
                        "id": key.id,
                        "not_before": None if key.not_before is None else stamp(key.not_before),
                        "not_after": None if key.not_after is None else stamp(key.not_after),
                    }
                    for key in found.keys.values()
                    if key.producer == one.name
                ],
            }
            for one in found.producers.values()
        ],
    }


def _lines(shown: Document) -> str:
    if not shown["producers"]:
        return "no producers: " + ("nothing may be sent" if shown["signed"] else "whoever reaches Redis may send all")
    return "\n".join(map(_line, shown["producers"]))


def _line(one: Document) -> str:
    keys = ", ".join(f"{key['id']} until {key['not_after'] or 'further notice'}" for key in one["keys"])
    return f"{one['name']:<16} {', '.join(one['sources'])}  {len(one['types'])} types  {keys or 'no key'}"
