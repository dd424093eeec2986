import json
import os
from pathlib import Path

import pytest

from workers.base import up_file
from workers.base.settings import SettingsError, load, masked, redis_url


def test_without_any_variable_the_promises_of_the_product_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = load({})
    assert (found.trial_days, found.trial_agents, found.retention_days) == (30, 5, 14)
    assert (found.price_cents, found.currency, found.min_charge_cents) == (2000, "USD", 50)
    assert found.data_dir == tmp_path / ".tenure"
    assert found.database_url == f"sqlite:///{tmp_path}/.tenure/tenure.db"
    assert found.redis_url is None
    assert not found.test_clock


def test_the_prefixed_variable_wins_over_the_platforms():
    both = {"DATABASE_URL": "postgresql://a/b", "TENURE_DATABASE_URL": "postgresql://c/d"}
    assert load(both).database_url == "postgresql://c/d"


def test_an_empty_variable_counts_as_not_given():
    assert load({"TENURE_RETENTION_DAYS": "", "REDIS_URL": " "}).retention_days == 14


def test_the_old_name_of_postgresql_is_rewritten():
    assert load({"DATABASE_URL": "postgres://u:p@h/db"}).database_url == "postgresql://u:p@h/db"


def test_a_relative_sqlite_file_is_the_same_file_from_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load({"DATABASE_URL": "sqlite:///here.db"}).database_url == f"sqlite:///{tmp_path}/here.db"


def test_a_data_folder_behind_a_link_is_the_folder_itself(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert load({"TENURE_DATA_DIR": str(tmp_path / "link")}).data_dir == tmp_path / "real"


def test_retention_of_14_days_is_accepted_and_13_refuses():
    assert load({"TENURE_RETENTION_DAYS": "14"}).retention_days == 14
    with pytest.raises(SettingsError, match="TENURE_RETENTION_DAYS='13' must be a whole number from 14"):
        load({"TENURE_RETENTION_DAYS": "13"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TENURE_TRIAL_DAYS", "0"),
        ("TENURE_TRIAL_DAYS", "thirty"),
        ("TENURE_PRICE_CENTS", "20.00"),
        ("TENURE_PRICE_CENTS", "²0"),
        ("TENURE_CURRENCY", "usd"),
        ("TENURE_DELETIONS_SHARE", "nan"),
        ("TENURE_DELETIONS_SHARE", "1.01"),
        ("TENURE_LEASE_SECONDS", "inf"),
        ("TENURE_TEST_CLOCK", "yes please"),
        ("TENURE_LOG_FORMAT", "xml"),
        ("TENURE_WORKER_THREADS", "3"),
        ("TENURE_HOST_URL", "/srv/sites"),
        ("TENURE_PRODUCERS_FILE", "a?b"),
        ("TENURE_DATA_DIR", "a?b"),
        ("DATABASE_URL", "mysql://h/db"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("REDIS_URL", "http://h"),
        ("REDIS_URL", "redis://h:99999/0"),
    ],
)
def test_a_value_that_makes_no_sense_refuses_and_names_its_variable(name, value):
    with pytest.raises(SettingsError, match=f"^{name}="):
        load({name: value})


def test_an_unknown_setting_refuses_and_suggests_the_one_that_was_meant():
    with pytest.raises(SettingsError, match=r"TENURE_PRIZE_CENTS is not a setting.*TENURE_PRICE_CENTS"):
        load({"TENURE_PRIZE_CENTS": "1"})


def test_a_password_is_never_shown():
    shown = masked(
        load({"REDIS_URL": "redis://:geh@eim@h:1/0", "DATABASE_URL": "postgresql://u:geheim@h/d?password=x"})
    )
    assert shown["TENURE_REDIS_URL"] == "redis://:***@h:1/0"
    assert shown["TENURE_DATABASE_URL"] == "postgresql://u:***@h/d?password=***"
    with pytest.raises(SettingsError) as refusal:
        load({"REDIS_URL": "http://:geheim@h"})
    assert "geheim" not in str(refusal.value)


def test_addresses_come_from_the_tenure_up_that_runs(tmp_path):
    up_file.announce(tmp_path, up_file.UpFile("redis://h:1/0", "sqlite:////x.db", os.getpid()))
    found = load({"TENURE_DATA_DIR": str(tmp_path)})
    assert (redis_url(found), found.database_url) == ("redis://h:1/0", "sqlite:////x.db")
    assert (tmp_path / "up.json").stat().st_mode & 0o777 == 0o600
    assert load({"TENURE_DATA_DIR": str(tmp_path), "REDIS_URL": "redis://given"}).redis_url == "redis://given"


@pytest.mark.parametrize("left", ['{"redis_url": "redis://h", "database_url": "x", "pid": 999999999}', "{", "[]", "{}"])
def test_what_a_crashed_tenure_up_left_is_not_believed(tmp_path, left):
    (tmp_path / "up.json").write_text(left)
    found = load({"TENURE_DATA_DIR": str(tmp_path)})
    with pytest.raises(SettingsError, match="`tenure up` is not running"):
        redis_url(found)


def test_up_json_has_the_contracts_fields(tmp_path):
    up_file.announce(tmp_path, up_file.UpFile("r", "d", 1))
    assert json.loads(Path(tmp_path / "up.json").read_text()) == {"redis_url": "r", "database_url": "d", "pid": 1}
