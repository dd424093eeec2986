"""What differs from one site to the next is folded out of an error, and nothing else."""

import pytest

from workers.base.reasons import folded, has_reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("451 4.7.1 mail.example.com says try later", "N N HOST says try later"),
        ("connection refused by 192.0.2.1:25", "connection refused by HOST:N"),
        ("/srv/sites/site_019c123456787000/helpdesk.db is locked", "/srv/sites/ID/helpdesk.db is locked"),
        ("the database helpdesk.db of acme.example.com", "the database helpdesk.db of HOST"),
        (
            "https://cards.example/pay: pm_visa_42 at 2026-03-10T09:30:00.000000Z",
            "https://HOST/pay: ID at TIME",
        ),
        ("no such key 0f8fad5b-d9cb-469f-a165-70867728950e", "no such key ID"),
        ("digest 9e107d9d372bb6826bd81d3542a419d6 differs", "digest ID differs"),
        ("[Errno 28] No space left on device: 'outbox'", "[Errno N] No space left on device: 'outbox'"),
        ("the card was declined", "the card was declined"),
        ("", "no reason was kept"),
        (None, "no reason was kept"),
    ],
)
def test_times_ids_hosts_and_numbers_are_folded_once_and_for_all(error, reason):
    assert folded(error) == reason
    assert folded(reason) == reason


@pytest.mark.parametrize(("words", "holds"), [("refused by HOST", True), ("by 192.0.2.1", True), ("timed out", False)])
def test_a_reason_is_found_by_its_folded_words_and_by_its_own(words, holds):
    assert has_reason("connection refused by 192.0.2.1", words) is holds
