"""What the running processes say of themselves, and what the doctor makes of it."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from models import process
from models.clock import machine_now
from models.database import reading, writing
from tests.runtime.judged import by_name
from workers.adapters import adapter_urls, backup_store, host, mailer, payment
from workers.base.settings import load, masked
from workers.health import doctor, fleet


def noted(world, name="worker.1.here", *, ago=timedelta(0), adapters=None, **settings):
    """Let a process have reported `ago`."""
    report = {
        "settings": {**masked(world.context.settings), **settings},
        "test_clock": True,
        "adapters": adapters or {},
    }
    with writing(world.context.database) as tx:
        process.note(tx, name, name.partition(".")[0], report, machine_now() - ago)


def test_a_process_reports_its_masked_settings_and_what_its_adapters_answer(beating):
    (beating.data_dir / "exports").write_text("a file where the folder should be")
    reporter = fleet.Reporter(beating.context, "clock")
    reporter.report()
    with reading(beating.context.database) as tx:
        (row,) = process.living(tx, machine_now())
    assert (row.role, row.name) == ("clock", reporter.name)
    assert "***@" in row.report["settings"]["TENURE_REDIS_URL"]
    assert row.report["adapters"]["host"] is None
    assert "exports" in row.report["adapters"]["downloads"]


def test_a_process_is_living_for_a_minute_after_it_said_so(world):
    noted(world, ago=process.LIVING - timedelta(seconds=1))
    with reading(world.context.database) as tx:
        assert [row.name for row in process.living(tx, machine_now())] == ["worker.1.here"]
        assert process.living(tx, machine_now() + timedelta(seconds=2)) == []


def test_what_ended_long_ago_is_forgotten_by_the_next_report(world):
    noted(world, "worker.1.gone", ago=process.FORGOTTEN + timedelta(seconds=1))
    noted(world, "worker.2.gone", ago=process.FORGOTTEN - timedelta(minutes=1))
    noted(world, "worker.3.here")
    with reading(world.context.database) as tx:
        rows = tx.execute(process.PROCESSES.select().order_by(process.PROCESSES.c.name))
        assert [row.name for row in rows] == ["worker.2.gone", "worker.3.here"]


def test_the_doctor_shows_adapters_as_the_workers_see_them_and_not_as_its_own_shell_would(beating):
    noted(beating, adapters={"mailer": "the mail server refuses the login: correct TENURE_MAIL_URL"})
    noted(beating, "worker.2.here")
    (beating.data_dir / "exports").write_text("only this shell would stumble over it")
    found = by_name(doctor.examine(beating.context))
    assert found["mailer"].fails
    assert found["mailer"].value == "not writable for 1 of 2 processes"
    assert "worker.1.here: the mail server refuses the login" in found["mailer"].remedy
    assert (found["downloads"].level, found["downloads"].value) == ("ok", "writable for 2 processes")


def test_the_doctor_takes_the_clock_and_the_settings_of_the_workers(beating, run):
    noted(beating, TENURE_MAIL_URL="smtp://mail.example.com:25")
    beating.context.__dict__["settings"] = load(
        {"TENURE_DATA_DIR": str(beating.data_dir), "TENURE_REDIS_URL": beating.context.settings.redis_url}
    )
    assert by_name(doctor.examine(beating.context))["clock"].well
    _, said = run(beating, "--json")
    assert json.loads(said)["settings"]["TENURE_MAIL_URL"] == "smtp://mail.example.com:25"


def test_processes_of_one_fleet_with_other_settings_are_named(beating):
    noted(beating)
    noted(beating, "worker.2.here", TENURE_DATA_DIR="/elsewhere")
    assert "settings" not in by_name(doctor.examine(beating.context))
    noted(beating, "worker.3.here", TENURE_PRICE_CENTS="3000")
    found = by_name(doctor.examine(beating.context))["settings"]
    assert found.level == "warn"
    assert found.value == "TENURE_PRICE_CENTS is '2000' for worker.1.here and '3000' for worker.3.here"


OPENERS = {
    "TENURE_HOST_URL": host.open_host,
    "TENURE_BACKUPS_URL": backup_store.open_backup_store,
    "TENURE_PAYMENTS_URL": payment.open_payments,
    "TENURE_MAIL_URL": mailer.open_mailer,
}


@pytest.mark.parametrize(("setting", "opener"), OPENERS.items())
def test_the_table_of_schemes_has_exactly_what_can_be_opened(setting, opener, tmp_path):
    secret = tmp_path / "key"
    secret.write_text("sk_test_0123456789")
    secret.chmod(0o600)
    for scheme in ("file", "ledger", "smtp", "smtps", "stripe", "s3", "exec", "nope"):
        rest = "//mail.example.com" if scheme.startswith("smtp") else ""
        given = (secret,) if scheme == "stripe" else ()
        if scheme in adapter_urls.SCHEMES[setting]:
            opener(f"{scheme}:{rest}", tmp_path, *given)
            continue
        with pytest.raises(ValueError, match=setting):
            opener(f"{scheme}:{rest}", tmp_path)


UP = "from workers.cli.main import main; main(['up'])"


@pytest.mark.parametrize("command", [["-c", UP], ["-m", "workers"], ["-m", "schedules"]])
@pytest.mark.parametrize(("setting", "value"), [("TENURE_PAYMENTS_URL", "stripe:"), ("TENURE_HOST_URL", "nope:/x")])
def test_an_adapter_that_does_not_exist_starts_nothing(world, command, setting, value):
    done = subprocess.run(
        [sys.executable, *command],
        env={
            "PATH": "/usr/bin:/bin",
            "TENURE_DATA_DIR": str(world.data_dir),
            "TENURE_TEST_CLOCK": "1",
            "TENURE_REDIS_URL": world.context.settings.redis_url,
            setting: value,
        },
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert setting.encode() in done.stderr
    assert value.encode() in done.stderr
    assert b"Traceback" not in done.stderr
