"""What the command line prints for people; `--json` prints the documents themselves."""

import textwrap
from typing import Any

from engine.words import money
from workers.base.documents import Document

WIDTH = 118


def site(document: Document) -> str:
    """A site on one screen: state, promises, money, data, what comes next."""
    lines = [
        f"{_named(document)}  {document['state']}{'' if document['online'] else '  offline'}",
        f"  id        {document['id']}   version {document['version']}",
        f"  account   {document['account']}",
        f"  agents    {document['used_agents']} in use, {document['agents_allowed']} allowed{_plan(document['plan'])}",
        *(f"  {name:<9} {document[name]}" for name in DATES if document[name]),
    ]
    if document["suspended_for"]:
        lines.append(f"  suspended for {document['suspended_for']}")
    if document["hold"]:
        lines.append(f"  hold      {document['hold']['reason']} since {document['hold']['since']}")
    lines += [f"  backup    {name}: {_point(point)}" for name, point in document["restore_points"].items()]
    if document["export"]:
        export = document["export"]
        lines.append(f"  download  {export['url']} ({export['bytes']} bytes){_partial(export)}")
    lines += [f"  invoice   {_invoice(invoice)}" for invoice in document["invoices"]]
    lines += [f"  next      {step['at']}  {step['what']}" for step in document["next"]]
    lines.append(f"  menu      {', '.join(entry['label'] for entry in document['menu']) or 'nothing'}")
    if document["attention"]:
        lines.append(f"  ATTENTION {document['attention']}")
    return "\n".join(lines)


DATES = ("ready_at", "trial_ends_at", "period_ends_at", "cancels_at", "cancelled_at", "deletes_at", "deleted_at")


def _named(document: Document) -> str:
    """A hostname, and how its readers write it."""
    host, readable = document["site"], document.get("site_unicode")
    return host if readable in {None, host} else f"{host} ({readable})"


def _plan(plan: Document | None) -> str:
    if plan is None:
        return ""
    later = f", {plan['next_agents']} from the next period" if plan["next_agents"] else ""
    return f"; plan {plan['agents']} × {money(plan['price_cents'], plan['currency'])} a month{later}"


def _point(point: Document | None) -> str:
    if point is None:
        return "none yet"
    return f"{point['taken_at']} ({point['bytes']} bytes, {point['id']}){_partial(point)}"


def _partial(copy: Document) -> str:
    return f"  PARTIAL: {'; '.join(copy['left_out'])}" if copy["partial"] else ""


def _invoice(invoice: Document) -> str:
    number = f"no. {invoice['number']}" if invoice["number"] else "not numbered"
    return (
        f"{number} {invoice['status']}: {money(invoice['amount_cents'], invoice['currency'])}, "
        f"{invoice['reason']}, {invoice['period_start']} to {invoice['period_end']}"
    )


def answer(said: Document) -> str:
    """An answer: what was decided, why, and what comes next."""
    moved = f"{said['from'] or 'nothing'} → {said['to']}" if said["from"] != said["to"] else said["to"] or "no site"
    again = " (duplicate)" if said["duplicate"] else ""
    lines = [f"{said['outcome']}{again}  {said['command']['type']}  {said['site']}  {moved}"]
    if said["code"]:
        lines.append(f"  code      {said['code']}")
    if said["message"]:
        lines.append(f"  {said['message']}")
    if said["charge"]:
        charge = said["charge"]
        lines.append(f"  charge    {money(charge['amount_cents'], charge['currency'])} ({charge['reason']})")
    if said["effects"]:
        lines.append(f"  effects   {', '.join(said['effects'])}")
    lines += [f"  next      {step['at']}  {step['what']}" for step in said["timers"]]
    if said["review"]:
        lines.append(f"  review    {said['review']}")
    return "\n".join(lines)


def moves(history: Document) -> str:
    """A site's moves, one line each."""
    return "\n".join(
        f"{move['at']}  {move['type']:<22} {move['outcome']:<8} {move['from'] or '-'} → {move['to'] or '-'}"
        f"{'  ' + move['code'] if move['code'] else ''}"
        for move in history["moves"]
    )


def why(found: Document) -> str:
    """A line or a few for each command, the earliest moment first."""
    return "\n".join([f"{found['site']}  {found['state']}", *map(_verdict, found["verdicts"])])


def _verdict(one: Document) -> str:
    later = f"from {one['earliest']}: " if one["earliest"] else ""
    head = f"  {'yes' if one['possible'] else 'no '}  {one['type']:<20} "
    return textwrap.fill(
        f"{later}{one['because']}",
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def sites(found: Document) -> str:
    """Sites, one line each."""
    return "\n".join(f"{_named(one):<40} {one['state']:<17} {one['deletes_at'] or ''}" for one in found["sites"])


def due(found: Document) -> str:
    """What comes next, one line each."""
    return "\n".join(f"{one['at']}  {one['site']:<32} {one['what']:<16} {one['detail']}" for one in found["due"])


def dead(found: Document) -> str:
    """What gave up, one line each."""
    return "\n".join(
        f"{one['id']}  {one['at'] or '-'}  {one['site'] or '-'}  {one['what']}  {one['reason'] or 'no reason was kept'}"
        for one in found["dead"]
    )


def backups(found: Document) -> str:
    """A site's backups, one line each."""
    return "\n".join(map(_backup, found["backups"])) or "none yet"


def _backup(one: Document) -> str:
    points = f"  {', '.join(one['points'])}" if one["points"] else ""
    return f"{one['taken_at']}  {one['id']}  {one['purpose']:<9} {one['bytes']:>12} bytes{points}{_partial(one)}"


def backup_check(found: Document) -> str:
    """A backup that was read back."""
    return f"{found['id']} of {found['site']}, taken {found['taken_at']}: {found['files']} files verified, every byte"


def deletions(found: Document) -> str:
    """Planned deletions, one line each, under where the breaker stands."""
    why = f": {found['why']}" if found["why"] else ""
    lines = [f"breaker {found['breaker']}{why}"]
    if "count" in found:
        lines.append(f"{found['count']} planned for the next day, of {found['fleet']} living sites")
    if found.get("would_trip"):
        lines.append(f"this trips the breaker: {found['would_trip']}")
    for one in found["sites"]:
        waits = f"  waits for: {'; '.join(one['waits_for'])}" if one["waits_for"] else ""
        lines.append(f"{one['at']}  {one['site']:<32} {one['state']}{waits}")
    return "\n".join(lines)


def deletion_check(found: Document) -> str:
    """Whether the chain holds and the stores are empty."""
    chain = "whole" if found["broken_at"] is None else f"BROKEN at receipt {found['broken_at']}"
    left = [f"LEFT of {site_id}: {', '.join(things)}" for site_id, things in found["left"].items()]
    return "\n".join([f"{found['receipts']} receipts, the chain is {chain}", *left])


def receipt(found: Document) -> str:
    """A receipt, a line for each fact."""
    return "\n".join(f"{name:<16} {_value(value)}" for name, value in found.items())


def _value(value: Any) -> str:
    """A fact in words: `files 12, bytes 4096`, `a, b`, `none`."""
    if isinstance(value, dict):
        return "; ".join(f"{name} {_value(inner)}" for name, inner in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value)) or "none"
    return "none" if value is None else str(value)


def safe_mode(found: Document) -> str:
    """Off, or why and since when no timer fires."""
    return f"safe mode since {found['since']}: {found['why']}" if found["on"] else "safe mode is off"


def event(body: Document) -> str:
    """One event as a line of `tenure tail`."""
    data = body["data"]
    known = ("outcome", "code", "from", "to", "kind", "error", "amount_cents", "bytes")
    rest = "  ".join(f"{name}={data[name]}" for name in known if data.get(name) is not None)
    return f"{body['time']}  {body['subject']:<32} {body['type']:<18} {rest}"
