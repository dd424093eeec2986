"""Many keys asked for at once: each is found as it was written, whatever its letters, and no other one is."""

import pytest

import engine
from models import receipt
from models.clock import engine_now
from models.database import reading, writing

ODD = (
    *("plain", "", " ", "7", "007", "1e3", "null", "true", "[1]", '{"a": 1}', "it's", 'a "word"', "back\\slash", "a,b"),
    *("{a,b}", "ÄÖÜ", "日本語", "🙂", "a\tb", "a\nb", "NULL", "%", "_", "x" * 200),
)


@pytest.mark.parametrize("source", ODD)
def test_a_receipt_is_found_by_its_own_key_alone(world, source):
    keys = [(source, f"id of {word}") for word in ODD] + [(word, source) for word in ODD]
    remember(world, keys[::2])

    with reading(world.context.database) as tx:
        found, of_few = receipt.find_all(tx, keys), receipt.find_all(tx, keys[:6])

    assert set(found) == set(keys[::2])
    assert set(of_few) == set(keys[:6:2])


def test_no_key_finds_nothing(world):
    with reading(world.context.database) as tx:
        assert receipt.find_all(tx, []) == {}


def remember(world, keys):
    with writing(world.context.database) as tx:
        now = engine_now(tx)
        receipt.add_all(
            tx, [row(engine.Command("site.cancel", source, key), now) for source, key in dict.fromkeys(keys)]
        )


def row(command, now):
    return {
        "source": command.source,
        "id": command.id,
        "site_id": None,
        "type": command.type,
        "digest": "",
        "at": now,
        "from_state": None,
        "to_state": None,
        "outcome": "refused",
        "code": None,
        "answer": None,
    }
