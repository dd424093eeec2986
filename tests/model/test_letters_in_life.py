"""Every letter that a year of customers asks for can be written from the facts that are there when it is sent."""

import json
from collections import Counter
from datetime import timedelta

import engine
from models.columns import to_json
from workers.effects.letters import KINDS, letter
from workers.effects.mail import about, moments
from workers.simulation.fleet import Fleet

TO_COME = ("next_charge_at", "next_try_at", "suspends_at", "ends_at", "deletes_at", "renews_at")
"""Moments of which a letter speaks as of what is to come."""


class Post(Fleet):
    """A fleet whose letters are written, late enough that the site may have moved on."""

    def __init__(self, *given, **named):
        self.written = Counter()
        super().__init__(*given, **named)

    def _mail(self, site_id, effect, asked):
        args, site = moments(json.loads(to_json(dict(effect.args)))), self.sites[site_id]
        if not asked.stands(site, self.now, self.policy):
            return
        told = engine.letter_facts(asked, site, self.now, self.policy)
        facts = {**about(site), **args, **self._receipt(args), **told}
        said = letter(args["letter"], facts)
        assert not [name for name in TO_COME if told.get(name) and told[name] <= self.now], (asked.name, told)
        assert site.host in said.subject + said.body
        assert "None" not in said.subject + said.body, said
        self.written[args["letter"]] += 1
        super()._mail(site_id, effect, asked)

    def _receipt(self, args):
        if args["letter"] != "receipt":
            return {}
        bill = self.invoices[args["invoice_id"]]
        names = ("amount_cents", "agents", "unit_price_cents", "period_start", "period_end")
        more = {"number": 1, "arithmetic": "for one month", "currency": bill.currency}
        return {**{name: getattr(bill, name) for name in names}, **more}

    def _duration(self, effect):
        """A mail server that is away for hours: the facts may have changed by the time it is back."""
        slow = effect.kind == "mail" and self.random.random() < 0.3
        return timedelta(hours=self.random.randint(1, 60)) if slow else super()._duration(effect)


def test_every_letter_of_a_year_can_be_written():
    post = Post(1500, 365, 3, backups=False, policy=engine.Policy())
    post.run()

    assert post.promises.violations == []
    by_hand = {"deleted", "restored", "contact_changed"}
    assert set(KINDS) - set(post.written) <= by_hand
