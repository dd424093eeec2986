"""What gave up, and what operators do about it: the whole engine, both databases."""

import importlib
import json

import alembic.command
import pytest
from alembic.config import Config
from sqlalchemy import text

from models import effect, schema
from models.clock import machine_now
from models.database import reading, writing
from tests.quick import QuickWorld
from workers.commands import dead_letters
from workers.effects import executor as effects

law = importlib.import_module("engine.timers")  # the package has a function of this name
NEW = "new@acme.example.com"


@pytest.fixture
def world(tmp_path, databases, monkeypatch):
    """Without nights, which are nine moments out of ten."""
    told = law._moments
    monkeypatch.setattr(law, "_moments", lambda *given: (one for one in told(*given) if one[0] != "back_up_nightly"))
    made = QuickWorld(tmp_path / "data", "redis://127.0.0.1:1", **databases())
    yield made
    made.close()


def kinds(world):
    return sorted(one["what"] for one in dead_letters.listing(world.context)["dead"])


def codes(world):
    return sorted(fault["code"] for fault in world.show()["faults"])


def status(world, kind):
    with reading(world.context.database) as tx:
        return [row.status for row in tx.execute(effect.EFFECTS.select().order_by("seq")) if row.kind == kind]


def test_the_document_names_every_fault_with_its_code_since_when_and_what_to_do(world):
    world.start_active()
    world.outside.broken = {"build": "the store is full", "set_agent_limit": "the host is gone"}
    world.send("export")
    world.send("change_plan", agents=9)

    site = world.show()

    assert [set(fault) for fault in site["faults"]] == [{"code", "since", "what", "do"}] * 2
    assert [fault["since"] for fault in site["faults"]] == [world.show()["period_ends_at"].replace("05-", "04-")] * 2
    assert site["attention"] == "; ".join(f"{fault['what']}; {fault['do']}" for fault in site["faults"])
    assert "the store is full" in site["attention"]
    assert "the host is gone" in site["attention"]


def test_retry_makes_no_restore_that_gave_up_weeks_ago_and_says_what_it_tries_again(world):
    world.start_active()
    world.send("back_up")
    backup = world.events_of("backup.verified")[-1]["id"]
    world.outside.broken = {"extract": "the archive is not there", "build": "the store is full"}
    world.send("restore", **{"from": backup})
    world.send("export")
    assert kinds(world) == ["export", "restore"]
    world.outside.broken = {}
    world.advance(days=21)

    said = world.send("retry")

    assert said["message"] == "tried again: export"
    assert (kinds(world), status(world, "restore")) == (["restore"], ["gave_up"])
    assert "site.restore" in world.show()["attention"]
    (kept,) = dead_letters.listing(world.context)["dead"]
    with pytest.raises(ValueError, match=r"ask for it anew with site.restore"):
        dead_letters.retry(world.context, kept["id"])
    dead_letters.drop(world.context, kept["id"])
    assert (world.show()["attention"], kinds(world)) == (None, [])


def test_what_gave_up_before_a_cancellation_is_no_dead_letter_after_it(world):
    world.start_active()
    world.outside.broken = {"build": "the store is full"}
    world.send("export")
    world.outside.broken = {}
    world.send("cancel")

    assert (kinds(world), world.show()["attention"]) == ([], None)
    assert status(world, "export") == ["dropped", "done"]


def test_dead_retry_and_dead_drop_keep_attention_true(world):
    world.start_active()
    world.outside.broken = {"build": "the store is full", "verify": "a byte is wrong"}
    world.send("export")
    world.send("back_up")
    ids = {one["what"]: one["id"] for one in dead_letters.listing(world.context)["dead"]}
    world.outside.broken = {}

    dead_letters.retry(world.context, ids["export"])
    assert "export" not in world.show()["attention"]
    world.rest()
    dead_letters.drop(world.context, ids["back_up"])

    assert (world.show()["attention"], kinds(world)) == (None, [])
    with pytest.raises(dead_letters.NoSuchDeadError):
        dead_letters.drop(world.context, ids["back_up"])


def gave_up_charge(world):
    world.outside.broken = {"charge": "the card network refuses this key"}
    world.send("change_plan", agents=9)
    assert codes(world) == ["effect.gave_up"]
    (kept,) = dead_letters.listing(world.context)["dead"]
    world.outside.broken = {}
    return kept["id"]


def test_a_charge_that_gave_up_is_asked_for_under_the_same_key_by_retry(world):
    world.start_active(agents=7)
    charge_id = gave_up_charge(world)

    assert world.send("retry")["message"] == "tried again: charge (change_plan)"

    assert (world.show()["attention"], world.show()["agents_allowed"]) == (None, 9)
    with reading(world.context.database) as tx:
        asked = effect.find(tx, charge_id).args["payment_id"]
    assert asked in world.outside.charges


def test_a_charge_that_gave_up_holds_no_deletion_once_it_is_dropped(world):
    world.start_active(agents=7)
    charge_id = gave_up_charge(world)
    world.send("cancel")
    world.advance(days=20)
    assert (world.state(), "charge" in world.show()["attention"]) == ("cancelled", True)

    dead_letters.drop(world.context, charge_id)
    world.rest()
    world.advance(days=3)

    assert world.state() == "deleted"
    assert [one["status"] for one in world.show()["invoices"]] == ["paid", "void"]


def test_a_charge_that_another_worker_makes_after_it_was_dropped_is_to_be_refunded(world, monkeypatch, log_lines):
    world.start_active(agents=7)
    slow = world.outside.charge

    def overtaken(charge):
        """It takes so long that others give the charge up, and an operator drops it, before it is made."""
        monkeypatch.setattr(world.outside, "charge", slow)
        world.outside.broken = {"charge": "the card network refuses this key"}
        (row_id,) = world.open_effects()
        with writing(world.context.database) as tx:
            tx.execute(effect.EFFECTS.update().where(effect.EFFECTS.c.id == row_id).values(leased_until=machine_now()))
        effects.run(world.context, row_id)
        dead_letters.drop(world.context, row_id)
        world.outside.broken = {}
        return slow(charge)

    monkeypatch.setattr(world.outside, "charge", overtaken)
    world.send("change_plan", agents=9)

    assert (codes(world), world.show()["agents_allowed"]) == (["refund.due"], 7)
    assert [event["code"] for event in world.events_of("alarm.raised")] == ["refund.due"]
    lines = [json.loads(line) for line in log_lines.read_text().splitlines()]
    assert [line["code"] for line in lines if line["msg"] == "alarm"] == ["refund.due"]
    assert [line["to"] for line in lines if line.get("command") == "site.effect_dropped"] == ["active"]


def test_letters_that_a_mailbox_refused_go_to_the_new_address_and_the_old_one_is_not_asked_again(world):
    world.start_active(agents=7)
    old = "owner@acme.example.com"
    world.outside.broken = {old: "550 no such mailbox"}
    world.send("change_plan", agents=9)
    assert "mail (receipt) gave up" in world.show()["attention"]

    said = world.send("update_contact", email=NEW)

    assert "sent to the new address: receipt" in said["message"]
    assert [mail.to for mail in world.outside.mails[-2:]] == [NEW, NEW]
    assert (world.show()["attention"], kinds(world)) == (None, [])


# From version 0.1


def to_schema(world, number):
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    with writing(world.context.database) as tx:
        config.attributes["connection"] = tx
        move = alembic.command.downgrade if number < schema.current(tx) else alembic.command.upgrade
        move(config, number)


def write_attention(world, sentence):
    with writing(world.context.database) as tx:
        tx.execute(text("UPDATE site SET attention = :told"), {"told": sentence})


def attention_of_0_1(world):
    with reading(world.context.database) as tx:
        return tx.execute(text("SELECT attention FROM site")).scalar_one()


def test_one_sentence_of_version_0_1_becomes_a_fault_for_each_effect_that_gave_up(world):
    world.start_active(agents=7)
    world.outside.broken = {"build": "the store is full", "set_agent_limit": "the host is gone"}
    world.send("export")
    world.send("change_plan", agents=9)
    before = world.show()["invoices"]
    to_schema(world, "0010")
    write_attention(world, "'set_agent_limit' gave up: 'the host is gone'; mend the cause, then site.retry")

    schema.migrate(world.context.database)

    assert codes(world) == ["effect.gave_up", "effect.gave_up"]
    assert "the store is full" in world.show()["attention"]
    assert (attention_of_0_1(world), world.show()["invoices"]) == (None, before)
    world.outside.broken = {}
    assert world.send("retry")["message"] == "tried again: export, set_agent_limit"
    assert (world.show()["attention"], kinds(world)) == (None, [])


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("USD 60.00 were charged after the cancellation: refund them, then site.retry", "refund.due"),
        ("'mail' gave up: 'no such mailbox'; mend the cause, then site.retry", "effect.gave_up"),
    ],
)
def test_a_sentence_of_version_0_1_is_not_lost(world, sentence, expected):
    world.start_trial()
    to_schema(world, "0010")
    write_attention(world, sentence)

    schema.migrate(world.context.database)

    assert codes(world) == [expected]
    assert sentence.partition(": ")[0] in world.show()["attention"]


def test_an_older_worker_beside_this_one_neither_destroys_faults_nor_hides_its_own(world):
    world.start_active(agents=7)
    world.outside.broken = {"build": "the store is full"}
    world.send("export")

    write_attention(world, "'mail' gave up: 'no such mailbox'; mend the cause, then site.retry")
    assert len(world.show()["faults"]) == 2
    write_attention(world, None)
    assert "the store is full" in world.show()["attention"]

    world.outside.broken = {}
    world.send("retry")
    assert world.show()["attention"] is None
    assert codes(world) == []
