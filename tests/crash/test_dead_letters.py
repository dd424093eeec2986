"""Dead letters: each is in the database before Redis lets go of its message, once, and says what was wrong."""

import pytest

from tests.crash.mortal import Mortal
from workers.commands import dead_letters, handler


@pytest.fixture
def mortal(tmp_path, redis_url, databases):
    made = Mortal(tmp_path / "data", redis_url, **databases())
    yield made
    made.close()


def listed(world):
    return [one["reason"] for one in dead_letters.listing(world.context)["dead"]]


def test_a_letter_that_is_told_of_again_after_a_death_is_kept_once(mortal):
    for _ in range(2):
        dead_letters.keep(mortal.context, "effects", "its id", b"?", "is not JSON")

    assert listed(mortal) == ["is not JSON"]


def test_two_letters_under_one_redis_id_are_both_kept(mortal):
    dead_letters.keep(mortal.context, "effects", "its id", b"?", "is not JSON")
    dead_letters.keep(mortal.context, "effects", "its id", b"!", "is not JSON either")

    assert listed(mortal) == ["is not JSON", "is not JSON either"]


def test_a_command_that_fails_for_good_says_why_and_costs_its_neighbour_one_letter_only(mortal, monkeypatch):
    real = handler.CommandBatch.judge

    def broken(sitting, envelope):
        if envelope.type == "site.start_trial":
            raise LookupError("the law met a fact that is not set")
        return real(sitting, envelope)

    monkeypatch.setattr(handler.CommandBatch, "judge", broken)
    mortal.hand_over("no envelope")
    mortal.hand_over(mortal.envelope("start_trial", account="acme", email="owner@acme.example"), retries=1000)
    mortal.rest()

    unreadable, failed = listed(mortal)
    assert unreadable.startswith("refused envelope.malformed")
    assert failed == "failed for good: LookupError: the law met a fact that is not set"
