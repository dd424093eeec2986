"""Every letter is held against the site of the moment at which it leaves: nothing in it may be untrue."""

from tests.model.letter_rules import RULES
from tests.model.letters_read import (
    AGENTS,
    ENDED,
    LINK,
    LIVING,
    MOMENT,
    MONEY,
    RAW_CODES,
    Leaving,
    Truth,
    cents_of,
    minute,
    read,
)
from tests.model.seen import must


def check(letter: Leaving) -> None:
    """Raise `Broken` if anything that the letter says is not so."""
    what = f"{letter.kind} at {letter.now} to a site that is {letter.site['state']}: {letter.mail.body}"
    _is_addressed(letter, what)
    truth = RULES[letter.kind](letter)
    must(letter.site["state"] in truth.states, f"{letter.kind} goes to a site in {sorted(truth.states)}", what)
    for holds, promise in truth.others:
        must(holds, f"{letter.kind}: {promise}", what)
    _dates_are_true(letter, truth, what)
    _amounts_are_true(letter, truth, what)
    agents = {int(count) for count in AGENTS.findall(letter.text)}
    must(agents <= truth.agents, f"{letter.kind}: the agents are the site's", f"{agents}, not {truth.agents}: {what}")
    _promises_hold(letter, what)


def _is_addressed(letter: Leaving, what: str) -> None:
    if letter.kind not in {"contact_changed", "contact_changed_to_old"}:
        must(letter.mail.to == letter.contact, "a letter goes to the contact of now", f"{letter.mail.to}: {what}")
    must("None" not in letter.text, "a letter has no gap", what)
    hosts = {host.rstrip(".") for host in LINK.findall(letter.text)} - {""}
    must(hosts <= {letter.site["site"]}, "a letter is about its own site", f"{hosts}: {what}")
    lower = letter.text.lower()
    must(not any(code in lower for code in RAW_CODES), "a stolen card reads as a plain decline", what)


def _dates_are_true(letter: Leaving, truth: Truth, what: str) -> None:
    told = {read(date) for date in MOMENT.findall(letter.text)}
    ahead = {minute(at) for at in truth.ahead if at is not None}
    past = {minute(at) for at in truth.past if at is not None}
    must(told <= ahead | past, f"{letter.kind}: its dates are the site's", f"{told - ahead - past}: {what}")
    late = {at for at in told & ahead - past if at < minute(letter.now)}
    must(not late, f"{letter.kind}: nothing is announced that is past", f"{late}: {what}")


def _amounts_are_true(letter: Leaving, truth: Truth, what: str) -> None:
    told = {(currency, cents_of(currency, digits)) for currency, digits in MONEY.findall(letter.text)}
    must(told <= truth.amounts, f"{letter.kind}: its amounts are the site's", f"{told}, not {truth.amounts}: {what}")


def _promises_hold(letter: Leaving, what: str) -> None:
    text, owed, state = letter.text.lower(), letter.owed(), letter.site["state"]
    told = {(currency, cents_of(currency, digits)) for currency, digits in MONEY.findall(letter.text)}
    ends = state not in LIVING or letter.site["cancels_at"] is not None
    if "nothing is owed" in text:
        numbered = [one for one in letter.invoices("open") if one["number"] is not None]  # a return is not owed yet
        must(not numbered, "nothing is owed", f"{numbered}: {what}")
    if "no further charge" in text:
        must(not owed, "no further charge is promised only where none is open", f"{owed}: {what}")
        must(ends, "no further charge is promised only where the site ends", what)
    if "no other charge" in text or "nothing else is charged" in text:
        must(owed <= told, "no other charge is promised only where all that is open is named", f"{owed}: {what}")
    if "nothing is charged" in text and letter.kind == "suspended_operator":
        must(letter.site["paying"] is None, "nothing is charged while no payment is under way", what)
    if "nothing is going to be deleted" in text:
        must(not ends, "nothing is going to be deleted only where the site goes on", what)
    if "changes nothing" in text:
        must(state not in ENDED, "a download changes nothing only where the site goes on", what)
