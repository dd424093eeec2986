"""`tenure dead` for people: what gave up by reason, and what became of many at once."""

from workers.base.documents import Document

MOST = 20


def reasons(found: Document) -> str:
    """How many, of what, of how many sites, and why; one line each."""
    return "\n".join(map(_reason, found["reasons"])) or "nothing gave up"


def _reason(one: Document) -> str:
    return f"{one['count']:>7}  {one['what']:<16} {one['sites']:>6} sites  since {one['since'] or '-'}  {one['reason']}"


def acted(found: Document) -> str:
    """What would be done, or was."""
    verb = found["schema"].split("/")[1].removeprefix("dead-")
    if found["dry_run"]:
        lines = [f"{one['id']}  {one['site'] or '-'}  {one['what']}" for one in found["would"][:MOST]]
        more = found["count"] - MOST
        rest = [f"and {more} more"] if more > 0 else []
        return "\n".join([*lines, *rest, f"{found['count']} would be {PAST[verb]}; nothing was changed"])
    failed = [f"not {PAST[verb]}: {one['id']}: {one['why']}" for one in found["not_done"]]
    return "\n".join([f"{found['done']} of {found['count']} {PAST[verb]}", *failed])


PAST = {"retry": "tried again", "drop": "dropped"}
