"""`tenure producer`, and the file that it changes: what is written, what is printed, what is refused."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from models.clock import machine_now
from tests.live_engine import HOST
from tests.producers import SECRETS, entry, load, save, write
from tests.runtime.judged import by_name
from workers.base.settings import load as load_settings
from workers.cli import sending
from workers.cli.main import main
from workers.commands import handler
from workers.context import Context
from workers.health import doctor
from workers.producers import editing, loading
from workers.producers.file import ProducersFileError, read
from workers.producers.signature import sign
from workers.queue import redis_keys
from workers.queue.queue_names import COMMANDS


@pytest.fixture
def tenure(world):
    """Type a verb about the world; the exit code must be as expected."""

    def run(*words, expecting=0):
        settings = world.context.settings
        environ = {
            "TENURE_DATA_DIR": str(world.data_dir),
            "TENURE_TEST_CLOCK": "1",
            "TENURE_REDIS_URL": settings.redis_url,
            "TENURE_DATABASE_URL": settings.database_url,
        }
        done = CliRunner().invoke(main, words, env=environ, catch_exceptions=False)
        assert done.exit_code == expecting, done.output
        return json.loads(done.stdout) if "--json" in words and done.stdout else done.output

    return run


def body(key="1", source="/billing", kind="site.start_trial", **data):
    head = {"specversion": "1.0", "source": source, "id": key, "type": kind, "subject": HOST}
    return {**head, "data": data or {"account": "acme", "email": "owner@acme.example.com"}}


def hand_over(world, made, envelope):
    text = json.dumps({"time": machine_now().isoformat(), **envelope})
    return world.hand_over(text, sign(base64.b64decode(made["key"]["secret"]), made["key"]["id"], text))


def test_add_prints_once_what_the_other_system_needs_and_from_then_on_all_is_signed(world, tenure):
    made = tenure("producer", "add", "billing", "--json")
    assert list(made) == ["schema", "name", "redis_url", "key"]
    assert (made["schema"], made["name"], list(made["key"])) == ("tenure/producer/1", "billing", ["id", "secret"])
    assert made["redis_url"].startswith("redis://billing:")
    assert hand_over(world, made, body())["outcome"] == "applied"
    assert world.hand_over(body("2")) is None
    hold = body("3", kind="site.hold", reason="court")
    assert hand_over(world, made, hold)["code"] == "authz.denied"
    for file in world.data_dir.glob("*.key"):
        assert file.stat().st_mode & 0o777 == 0o600


def test_send_signs_as_the_operator_who_is_made_at_the_same_moment(world, tenure):
    tenure("producer", "add", "billing")
    envelope = sending.envelope("start_trial", HOST, ("account=acme", "email=o@acme.example.com"), **OPERATOR)
    sending.enqueue(world.context, {**envelope, "replyto": redis_keys.reply("operator:1")})
    (message,) = world.context.redis.hvals(redis_keys.bodies(COMMANDS))
    args = json.loads(message)["args"]
    assert handler.take(world.context, tuple(args))["outcome"] == "applied"
    assert world.context.redis.xlen("tenure:reply:operator:1") == 1
    assert len(args) == 2


OPERATOR: dict[str, Any] = {"source": "tenure-cli", "key": None, "extra": {}}


def test_send_says_what_to_do_when_it_has_no_key(world):
    load(world, entry("billing"))
    with pytest.raises(ValueError, match="`tenure producer add operator` makes one"):
        sending.enqueue(world.context, sending.envelope("keep", HOST, (), **OPERATOR))


def test_rotate_gives_a_new_key_and_the_old_one_ends_after_the_overlap(world, tenure):
    first = tenure("producer", "add", "billing", "--json")
    second = tenure("producer", "rotate", "billing", "--overlap", "1", "--json")
    assert hand_over(world, first, body())["outcome"] == "applied"
    assert hand_over(world, second, body("2", kind="site.show"))["code"] is not None
    keys = world.context.producers.now().keys
    left = keys[first["key"]["id"]].not_after - machine_now()
    assert timedelta(hours=23) < left <= timedelta(days=1)
    assert keys[second["key"]["id"]].not_after is None
    tenure("producer", "rotate", "billing", "--overlap", "0")
    assert hand_over(world, second, body("3")) is None
    tenure("producer", "rotate", "billing")
    assert {file.stem for file in world.data_dir.glob("billing*.key")} == {
        key.id for key in world.context.producers.now().keys.values() if key.producer == "billing"
    }


def test_remove_takes_all_rights_at_once_and_the_operator_stays(world, tenure):
    made = tenure("producer", "add", "billing", "--json")
    tenure("producer", "remove", "billing")
    assert hand_over(world, made, body()) is None
    assert not list(world.data_dir.glob("billing*.key"))
    assert "tenure producer rotate operator" in tenure("producer", "remove", "operator", expecting=1)
    tenure("producer", "remove", "billing", expecting=4)
    tenure("producer", "rotate", "billing", expecting=4)
    tenure("producer", "acl", "billing", expecting=4)


def test_list_shows_rights_and_keys_and_no_secret(world, tenure):
    assert "whoever reaches Redis may send all" in tenure("producer", "list")
    made = tenure("producer", "add", "billing", "--types", "site.pay", "--accounts", "acme,b", "--events", "--json")
    listed = tenure("producer", "list", "--json")
    assert listed["signed"]
    (billing,) = [one for one in listed["producers"] if one["name"] == "billing"]
    assert (billing["types"], billing["accounts"], billing["events"]) == (["site.pay"], ["acme", "b"], True)
    assert billing["sources"] == ["/billing", "/billing/*"]
    shown = tenure("producer", "list") + json.dumps(listed) + tenure("producer", "acl", "billing")
    password = made["redis_url"].split(":")[2].split("@")[0]
    assert made["key"]["secret"] not in shown
    assert password not in shown
    assert made["key"]["id"] in shown


@pytest.mark.parametrize("name", ["Billing", "a b", "", "default", "tenure", "-x", "x" * 41])
def test_a_name_that_is_none_is_refused(world, tenure, name):
    assert "is no name for a producer" in tenure("producer", "add", "--", name, expecting=1)
    assert not world.context.producers.now().is_enforced


def test_a_second_add_and_a_shared_source_are_refused_and_change_nothing(world, tenure):
    tenure("producer", "add", "billing")
    before = (world.data_dir / "producers.toml").read_text(), sorted(world.data_dir.glob("*.key"))
    assert "there is a producer billing already" in tenure("producer", "add", "billing", expecting=1)
    assert "overlap" in tenure("producer", "add", "shop", "--sources", "/billing/a", expecting=1)
    assert "is no type" in tenure("producer", "add", "shop", "--types", "site.fly", expecting=1)
    assert before == ((world.data_dir / "producers.toml").read_text(), sorted(world.data_dir.glob("*.key")))


def test_what_others_wrote_into_the_file_stays(world, tenure):
    write(
        world,
        "# ours\n" + entry("billing") + "# the portal\n" + entry("portal") + "\n[operators.jane]\nrole = 'reader'\n",
    )
    tenure("producer", "rotate", "billing")
    tenure("producer", "remove", "billing")
    text = (world.data_dir / "producers.toml").read_text()
    assert ["# the portal" in text, "operators.jane" in text, "[producers.portal]" in text] == [True] * 3
    assert "[producers.billing]" not in text


def test_a_file_in_another_form_is_changed_by_hand_only(world, tenure):
    write(world, 'producers.billing = {sources = ["/b"]}\n')
    assert "change it by hand" in tenure("producer", "rotate", "billing", expecting=1)
    assert (world.data_dir / "producers.toml").read_text() == 'producers.billing = {sources = ["/b"]}\n'


GOOD = entry("billing")
KEY = "[producers.b]\n[[producers.b.keys]]\nid = 'b'\n"
WRONG = {
    "producers = 1": "must be a table",
    "x = 1": "has no field 'x'",
    "[producers.A]": "is no name",
    "[producers.b]\nsource = []": "has no field 'source'",
    "[producers.b]\nsources = []": "sources is empty",
    '[producers.b]\nsources = "x"': "must be a list of texts",
    '[producers.b]\ntypes = ["site.delete"]': "is no type",
    "[producers.b]\nper_minute = -1": "whole number from 0",
    "[producers.b]\nper_minute = true": "whole number from 0",
    "[producers.b]\nreplyto = 'b c'": "what follows tenure:reply:",
    "[producers.b]\nevents = 1": "must be true or false",
    "[producers.b]\nredis_sha256 = ['geheim']": "must be SHA-256 digests",
    "[producers.b]\nkeys = 1": r"write \[\[producers.b.keys\]\]",
    "[producers.b]\n[[producers.b.keys]]\nid = 'a,b'": "must be a text like",
    KEY: "has no secret_file",
    KEY + "secret_file = 'none.key'": "is not there",
    KEY + "secret_file = 'short.key'": "32 bytes or more",
    KEY + "secret_file = 'portal.key'\nnot_after = 2026-11-01T00:00:00": "a moment",
    GOOD + "[producers.b]\n[[producers.b.keys]]\nid = 'billing'\nsecret_file = 'portal.key'": "stands twice",
    GOOD + "[producers.b]\nsources = ['/bill*']": "overlap",
    "[operators.jane]\nrole = 'king'": "must be reader or operator",
    "[producers.b": "is not TOML",
    "# " + "x" * 62_000: "more than",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_broken_file_is_an_alarm_and_the_old_one_stands(world, log_lines, text):
    load(world, GOOD)
    watch = loading.FileWatch(world.context.settings, world.context.database)
    watch.look()
    write(world, text)
    save(world.data_dir / "short.key", base64.b64encode(b"x" * 31).decode())
    with pytest.raises(ProducersFileError, match=WRONG[text]):
        read(world.data_dir / "producers.toml")
    watch.look()
    lines = [json.loads(line) for line in log_lines.read_text().splitlines()]
    assert [line["msg"] for line in lines] == ["alarm"]
    assert "stands" in lines[0]["error"]
    assert list(world.context.producers.now().producers) == ["billing"]
    assert SECRETS["billing"].hex() not in log_lines.read_text()


@pytest.mark.parametrize("name", ["producers.toml", "billing.key"])
def test_a_file_that_others_may_read_is_refused(world, name):
    write(world, GOOD)
    (world.data_dir / name).chmod(0o640)
    with pytest.raises(ProducersFileError, match=r"can be read by others .mode 0640.*chmod 600"):
        read(world.data_dir / "producers.toml")


def test_a_changed_file_or_secret_is_loaded_once_and_an_older_one_is_not(world, tmp_path):
    load(world, GOOD)
    watch = loading.FileWatch(world.context.settings, world.context.database)
    versions = []
    for text in (GOOD, entry("billing") + entry("portal"), None):
        if text is not None:
            write(world, text)
        watch.look()
        watch.look()
        versions.append(world.context.producers.now().version)
    assert versions == [1, 2, 2]
    write(world, (world.data_dir / "producers.toml").read_text(), billing=b"y" * 32)
    watch.look()
    assert world.context.producers.now().keys["billing"].secret == b"y" * 32
    (world.data_dir / "producers.toml").unlink()
    watch.look()
    assert list(world.context.producers.now().producers) == ["billing", "portal"]


def test_of_two_hosts_files_the_one_that_was_changed_last_holds(world):
    write(world, GOOD)
    older = read(world.data_dir / "producers.toml")
    load(world, entry("portal"))
    assert not loading.load(world.context.database, older)
    assert list(world.context.producers.now().producers) == ["portal"]


def test_a_setting_whose_file_is_not_there_starts_nothing_until_one_was_loaded(world):
    settings = load_settings(
        {
            "TENURE_DATA_DIR": str(world.data_dir),
            "TENURE_DATABASE_URL": world.context.settings.database_url,
            "TENURE_PRODUCERS_FILE": str(world.data_dir / "other.toml"),
        }
    )
    other = Context(settings)
    with pytest.raises(ProducersFileError, match="is not there: write it"):
        loading.begin(settings, other.database)
    load(world, GOOD)
    loading.begin(settings, other.database)
    assert other.producers.now().is_enforced


def test_a_broken_file_starts_nothing_until_one_was_loaded(world):
    write(world, "[producers.b")
    with pytest.raises(ProducersFileError, match="is not TOML"):
        loading.begin(world.context.settings, world.context.database)
    load(world, GOOD)
    save(world.data_dir / "producers.toml", "[producers.b")
    loading.begin(world.context.settings, world.context.database)
    assert world.context.producers.now().is_enforced


def test_the_doctor_says_that_commands_come_unsigned_and_what_is_wrong_with_the_file(world, tenure):
    def found(name):
        return by_name(doctor.examine(world.context))[name]

    assert (found("producers").level, "producer add" in found("producers").remedy) == ("warn", True)
    tenure("producer", "add", "billing")
    assert [found(name).level for name in ("producers", "producers file", "producers' keys")] == ["ok"] * 3
    world.hand_over(body())
    assert found("rejected commands").value == "1 auth.bad_signature"
    path = world.data_dir / "producers.toml"
    whole = path.read_text()
    save(path, whole + "[producers.b")
    assert (found("producers file").level, "mend it" in found("producers file").remedy) == ("fail", True)
    save(path, whole)
    assert found("producers file").well
    editing.rotate(path, "billing", timedelta(days=6), machine_now())
    assert found("producers file").level == "warn"
    load_file(world)
    assert found("producers file").well


def load_file(world):
    loading.load(world.context.database, read(world.data_dir / "producers.toml"))


def test_a_last_key_that_ends_within_a_week_is_a_warning(world):
    for days, level in ((6, "warn"), (8, "ok")):
        load(world, entry("billing", until=timedelta(days=days)))
        assert by_name(doctor.examine(world.context))["producers' keys"].level == level
