"""What version 0.1 left is brought up to date, and every promise that it made is kept."""

import json
import sys
from collections import Counter
from datetime import timedelta
from typing import Any

from models import backup, effect
from models.database import reading
from models.timestamps import unstamp
from tests.live_engine import Live, until
from tests.upgrade.left import Left
from workers.cli import backup_reports, deletion_reports, reports, sending
from workers.commands import dead_letters
from workers.safety import breaker

SECONDS = 60.0
REPLIES = "tenure:reply:upgrade"
FOURTEEN_DAYS = timedelta(days=14)
ALL: dict[str, Any] = {"state": None, "account": None, "after": None, "limit": 1000}
WORDS = ("begun", "done", "busy", "refused")
KINDS = (
    *("provision", "bring-online", "take-offline", "set-agent-limit", "back-up"),
    *("export", "restore", "charge", "mail", "delete"),
)
SUSPENDED = ("suspended-twice", "suspended-by-operator", "trial-suspended")
END = {
    **dict.fromkeys((f"{name}.example.com" for name in ("renewed", "trial-subscribed", "trial")), "active"),
    **dict.fromkeys((f"{name}.example.com" for name in ("held", "held-after-its-end")), "cancelled"),
    **dict.fromkeys((f"{name}.example.com" for name in SUSPENDED), "suspended"),
}
"""The states a month later of the sites that are not deleted by then."""


def host(name):
    return f"{name}.example.com"


def test_what_version_0_1_left_is_finished_and_every_promise_is_kept(left, live):
    before = Books(left.context())
    live.run("migrate")
    live.start()
    context = live.context
    every_answer_is_given_again(context, left)
    reviews_are_accepted_or_stale(context, left)
    live.advance("0s")
    what_waited_in_redis_is_answered(context, left)
    what_was_pending_or_running_is_done_once(context, before)
    what_gave_up_is_still_listed(context, before)
    old_events_stay_and_all_are_told(context, before)
    old_backups_can_be_read(context)
    an_old_backup_can_be_restored(live)
    operators_finish_what_gave_up(live)
    lives_end_as_promised(live, left)
    nobody_was_charged_twice(live)
    context.database.dispose()


class Books:
    """What stood in the database of version 0.1."""

    def __init__(self, context):
        with reading(context.database) as tx:
            rows = tx.exec_driver_sql("select id, kind, status, fence from effect")
            self.effects = {row.id: row for row in rows}
            self.events = [row.body for row in tx.exec_driver_sql("select body from event order by seq")]
            self.unsent = sum(1 for _ in tx.exec_driver_sql("select seq from event where not sent"))
        context.database.dispose()

    def of(self, *statuses):
        return {row.id for row in self.effects.values() if row.status in statuses}


def every_answer_is_given_again(context, left):
    """All are asked again at once, under their old keys."""
    for one in left.known["answers"]:
        sending.enqueue(context, {**one["envelope"], "replyto": REPLIES})
    until(lambda: context.redis.xlen(REPLIES) >= len(left.known["answers"]), SECONDS)
    said = [json.loads(fields[b"event"])["data"] for _, fields in context.redis.xrange(REPLIES)]
    found = {answer["command"]["id"]: answer for answer in said}
    for one in left.known["answers"]:
        assert found[one["envelope"]["id"]] == {**one["answer"], "duplicate": True}


def reviews_are_accepted_or_stale(context, left):
    for one in left.known["reviews"]:
        said = sending.ask(context, one["envelope"], SECONDS)
        assert said["code" if said["outcome"] == "refused" else "outcome"] == one["then"], said


def what_waited_in_redis_is_answered(context, left):
    for one in left.known["waiting"]:
        envelope = one["envelope"]
        said = sending.ask(context, envelope, SECONDS)
        assert said["duplicate"] is (envelope["type"] != "site.show"), said
        assert said["outcome"] in {"applied", "no_op"}


def what_was_pending_or_running_is_done_once(context, before):
    with reading(context.database) as tx:
        found = {row.id: row for row in tx.execute(effect.EFFECTS.select())}
    for known in before.of("pending", "running"):
        row = found[known]
        assert row.status in ({"pending"} if row.kind == "delete" else {"done", "void"}), (
            row.id,
            row.status,
            row.error,
        )
        assert row.kind == "delete" or row.status == "void" or row.fence == before.effects[known].fence + 1


def what_gave_up_is_still_listed(context, before):
    listed = {one["id"] for one in dead_letters.listing(context)["dead"] if one["what"] != "message"}
    assert listed >= before.of("gave_up")
    messages = [one for one in dead_letters.listing(context)["dead"] if one["what"] == "message"]
    assert [one["body"] for one in messages] == ["no message"]


def old_events_stay_and_all_are_told(context, before):
    with reading(context.database) as tx:
        bodies = [row.body for row in tx.exec_driver_sql("select body from event order by seq")]
    assert bodies[: len(before.events)] == before.events
    assert before.unsent > 0
    told = {json.loads(fields[b"event"])["id"] for _, fields in context.redis.xrange("tenure:events")}
    unsent = [json.loads(body)["id"] for body in before.events[-before.unsent :]]
    assert told >= set(unsent)


def old_backups_can_be_read(context):
    """The newest of each purpose and site; they are verified byte by byte, and their databases opened."""
    with reading(context.database) as tx:
        gone = tx.exec_driver_sql("select id from site where state = 'deleting'").scalars().all()
        rows = [row for row in tx.execute(backup.BACKUPS.select()) if row.site_id not in gone]
    assert {row.purpose for row in rows} >= {"nightly", "on_demand", "safety", "final"}
    for row in {(row.site_id, row.purpose): row for row in rows}.values():
        assert backup_reports.verify(context, row.id)["verified"]


def an_old_backup_can_be_restored(live):
    note = live.data_dir / "sites" / live.show(host("renewed"))["id"] / "attachments" / "note.txt"
    note.write_text("written after the upgrade")
    live.send("restore", "from=30_day", host=host("renewed"))
    assert not note.exists()
    assert (note.parent / "newest.txt").read_text() == "a letter to renewed\n"


def operators_finish_what_gave_up(live):
    """Each site that needs attention is tried again; a restore is asked for anew."""
    for name in [f"{kind}-refused" for kind in KINDS] + ["without-export", "without-backup"]:
        live.say("retry", host=host(name))
    live.advance("0s")
    left = {one["site"]: one["what"] for one in dead_letters.listing(live.context)["dead"] if one["what"] != "message"}
    assert left.keys() <= {host("restore-refused"), host("failed"), host("waived")}, left


def lives_end_as_promised(live, left):
    leaving = [f"{kind}-{word}" for word in WORDS for kind in KINDS if kind not in {"take-offline", "delete"}]
    for name in [*leaving, "renews-later", "reduced", "came-last", "held"]:
        live.say("cancel", host=host(name))
    breaker.resume(live.context, deletion_reports.preview(live.context)["count"])
    live.advance("31d1h")
    states = {one["site"]: one["state"] for one in reports.site_list(live.context, **ALL)["sites"]}
    assert states == {**dict.fromkeys([*left.known["states"], host("came-last")], "deleted"), **END}
    told = deletion_reports.verify(live.context)
    assert (told["broken_at"], told["left"], told["receipts"]) == (None, {}, list(states.values()).count("deleted"))
    for name, state in states.items():
        if state == "deleted":
            was_not_deleted_early(deletion_reports.receipt(live.context, name))


def was_not_deleted_early(receipt):
    deleted_at = unstamp(receipt["deleted_at"])
    assert deleted_at >= unstamp(receipt["deletes_at"])
    if receipt["ready_at"] is not None:
        assert deleted_at >= unstamp(receipt["cancelled_at"]) + FOURTEEN_DAYS
        assert "export" in receipt["waived"] or deleted_at >= unstamp(receipt["export_ready_at"]) + FOURTEEN_DAYS
        assert deleted_at >= unstamp(receipt["notice_sent_at"]) + timedelta(hours=48)


def nobody_was_charged_twice(live):
    lines = [json.loads(line) for line in (live.data_dir / "payments.jsonl").read_text().splitlines()]
    assert max(Counter(line["key"] for line in lines).values()) == 1
    assert max(Counter(line["invoice"] for line in lines).values()) == 1
    with reading(live.context.database) as tx:
        paid = {row.id: row.amount_cents for row in tx.exec_driver_sql("select * from invoice where status = 'paid'")}
    assert {line["invoice"]: line["amount_cents"] for line in lines} == paid
    renewals = [unstamp(line["at"]) for line in lines if line["site"] == live.show(host("renewed"))["id"]]
    assert [f"{at:%m-%d}" for at in renewals] == ["04-09", "05-09", "05-09", "06-09"]


def test_what_was_left_in_safe_mode_stays_in_it_until_an_operator_has_looked(tmp_path):
    left = Left("doubted", tmp_path / "left", {})
    live = Live(left.data_dir, python=sys.executable)
    try:
        live.start()
        assert live.json("safe-mode")["on"]
        assert not live.show(host("doubted"))["restore_points"]["previous_day"]
        live.run("safe-mode", "leave")
        assert not live.json("safe-mode")["on"]
        live.advance("1d")
        assert live.show(host("doubted"))["restore_points"]["previous_day"], "its night has come"
    finally:
        live.clean_up()
