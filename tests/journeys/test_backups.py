"""`tenure backup`: what is kept of a site, and whether it can be read."""

import json

import pytest
from click.testing import CliRunner

from workers.cli import backup_reports
from workers.cli.exit_codes import NotFoundError
from workers.cli.main import main


@pytest.fixture
def kept(world):
    """A site with two nights and one backup on demand."""
    world.start_trial()
    world.advance(days=2)
    world.send("back_up")
    return world


def test_a_site_s_backups_are_listed_oldest_first_with_the_points_that_they_fill(kept):
    found = backup_reports.listing(kept.context, "acme.example.com")

    assert found["schema"] == "tenure/backups/1"
    assert [one["purpose"] for one in found["backups"]] == ["nightly", "nightly", "on_demand"]
    assert [one["points"] for one in found["backups"]] == [[], ["previous_day"], []]


def test_a_backup_is_read_back_and_one_that_was_changed_is_told(kept):
    one = backup_reports.listing(kept.context, "acme.example.com")["backups"][0]
    assert backup_reports.verify(kept.context, one["id"])["verified"]

    archive = kept.data_dir / "backups" / kept.show()["id"] / f"{one['id']}.tar.zst"
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(ValueError, match=one["id"]):
        backup_reports.verify(kept.context, one["id"])


def test_another_backup_under_its_name_is_not_the_one_that_was_verified(kept):
    first, second = (one["id"] for one in backup_reports.listing(kept.context, "acme.example.com")["backups"][:2])
    folder = kept.data_dir / "backups" / kept.show()["id"]
    (folder / f"{first}.tar.zst").write_bytes((folder / f"{second}.tar.zst").read_bytes())
    with pytest.raises(ValueError, match=first):
        backup_reports.verify(kept.context, first)


def test_an_unknown_id_is_missing(kept):
    with pytest.raises(NotFoundError, match="bkp_x"):
        backup_reports.verify(kept.context, "bkp_x")


def test_the_command_line_lists_verifies_and_fails_with_the_codes_of_the_contract(kept, monkeypatch):
    monkeypatch.setenv("TENURE_DATA_DIR", str(kept.data_dir))
    monkeypatch.setenv("TENURE_REDIS_URL", kept.context.settings.redis_url)
    monkeypatch.setenv("TENURE_DATABASE_URL", kept.context.settings.database_url)
    monkeypatch.setenv("TENURE_TEST_CLOCK", "1")
    run = CliRunner().invoke
    listed = json.loads(run(main, ["backup", "list", "acme.example.com", "--json"]).stdout)
    one = listed["backups"][0]["id"]
    assert listed["schema"] == "tenure/backups/1"
    assert "previous_day" in run(main, ["backup", "list", "acme.example.com"]).stdout
    assert "every byte" in run(main, ["backup", "verify", one]).stdout
    assert run(main, ["backup", "verify", "bkp_x"]).exit_code == 4
    assert run(main, ["backup", "list", "nobody.example.com"]).exit_code == 4
    (kept.data_dir / "backups" / kept.show()["id"] / f"{one}.tar.zst").unlink()
    assert run(main, ["backup", "verify", one]).exit_code == 1
