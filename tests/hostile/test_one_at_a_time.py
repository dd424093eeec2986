"""Dear commands: a site has one export, one backup on demand and one restore at a time."""

import pytest

from models import backup
from models.database import reading
from workers.commands import handler


@pytest.fixture
def trial(world):
    world.start_trial()
    return world


def at_once(world, *kinds, **data):
    """The answers to commands that are judged in one transaction."""
    bodies = [
        {
            "specversion": "1.0",
            "source": "tests",
            "id": next(world.ids),
            "type": f"site.{kind}",
            "subject": "acme.example.com",
            "data": data,
        }
        for kind in kinds
    ]
    return handler.take_each(world.context, [(body,) for body in bodies])


@pytest.mark.parametrize("kind", ["back_up", "export"])
def test_forty_asked_at_once_are_one(trial, kind):
    before = len(made(trial, kind))

    said = at_once(trial, *[kind] * 40)

    assert [one["outcome"] for one in said] == ["applied"] + ["no_op"] * 39
    assert said[1]["message"] == "nothing to do: one is under way"
    trial.rest()
    assert len(made(trial, kind)) == before + 1


@pytest.mark.parametrize("kind", ["back_up", "export"])
def test_asked_one_after_the_other_the_second_is_begun_once_the_first_is_done(trial, kind):
    assert trial.say(kind)["outcome"] == "applied"
    assert trial.say(kind)["outcome"] == "no_op"
    trial.rest()
    assert trial.say(kind)["outcome"] == "applied"


def test_an_export_and_a_backup_do_not_stand_in_each_others_way(trial):
    assert [trial.say(kind)["outcome"] for kind in ("export", "back_up")] == ["applied", "applied"]


def test_a_preview_begins_nothing(trial):
    assert trial.say("export", extra={"dryrun": True})["outcome"] == "preview"
    assert trial.say("export")["outcome"] == "applied"
    assert trial.say("export", extra={"dryrun": True})["outcome"] == "preview"
    assert trial.say("export")["outcome"] == "no_op"


def test_a_nightly_backup_under_way_is_not_the_one_that_is_asked_for(trial):
    night = next(step["at"] for step in trial.show()["next"] if step["what"] == "back_up_nightly")
    rest, trial.rest = trial.rest, lambda: None
    trial.advance_to(night)
    assert any("back_up.nightly" in one for one in trial.open_effects())
    assert trial.say("back_up")["outcome"] == "applied"
    trial.rest = rest


def test_a_second_restore_is_refused_until_the_first_is_done(trial):
    trial.send("back_up")
    wanted = made(trial, "back_up")[-1].id

    said = at_once(trial, *["restore"] * 3, **{"from": wanted})

    assert [one["code"] for one in said] == [None, "work.pending", "work.pending"]
    assert trial.say("restore", **{"from": wanted})["code"] == "work.pending"
    trial.rest()
    assert trial.say("restore", **{"from": wanted})["outcome"] == "applied"


def test_an_export_of_an_earlier_life_is_not_the_one_that_is_asked_for(trial):
    trial.say("export")
    said = [trial.say("cancel"), trial.say("export"), trial.say("keep"), trial.say("export"), trial.say("export")]
    assert [one["outcome"] for one in said] == ["applied", "no_op", "applied", "applied", "no_op"]


def test_what_gave_up_is_under_way_again_once_it_is_retried(trial, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("workers.effects.executor.MOST_ATTEMPTS", 0)
        trial.send("export")
    assert trial.show()["attention"]

    said = at_once(trial, "retry", "export")

    assert [one["outcome"] for one in said] == ["applied", "no_op"]


def test_of_backups_on_demand_the_newest_three_are_kept(trial):
    kept = []
    for _ in range(5):
        trial.send("back_up")
        trial.advance(minutes=1)
        kept.append(made(trial, "back_up")[-1].id)
    on_demand = [row.id for row in made(trial, "back_up")]
    assert on_demand == kept[-3:]
    folder = trial.data_dir / "backups" / trial.show()["id"]
    assert {path.name.split(".")[0] for path in folder.iterdir()} >= set(on_demand)
    assert not any(path.name.startswith(tuple(kept[:2])) for path in folder.iterdir())


def made(world, kind):
    """What was made of a kind, oldest first."""
    with reading(world.context.database) as tx:
        if kind == "export":
            return list(tx.execute(backup.EXPORTS.select()))
        return [row for row in backup.backups_of(tx, world.show()["id"]) if row.purpose == "on_demand"]
