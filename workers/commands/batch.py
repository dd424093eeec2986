"""Commands judged in one transaction, one after the other: each sees what those before it have changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection
from uuid_utils import uuid7

import engine
from models import backup, invoices
from models import site as sites
from models.clock import engine_now, review_secret
from models.columns import SerializedJson, to_json
from models.effect import claimed_of, under_way_of
from workers.base.documents import Document
from workers.base.effect_kinds import one_at_a_time
from workers.commands.answer import answer, refusal
from workers.commands.apply import Decisions, Receipt
from workers.commands.envelope import Envelope
from workers.commands.first_answers import StoredAnswer, answer_again, first_answers, without_names
from workers.commands.limited import within
from workers.commands.permission import may_be_told, of_its_accounts
from workers.commands.quotas import OverQuotaError, Quotas
from workers.commands.review_token import check, quoted_at, sign
from workers.commands.site_document import document
from workers.context import Context


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer to one envelope; the decision is None when nothing was decided now."""

    envelope: Envelope
    answer: Document
    decision: engine.Decision | None = None


class CommandBatch:
    """One transaction in which envelopes are judged in their order.

    The sites are locked before the receipts are read: whoever else judges the same command has committed by then.
    """

    def __init__(
        self, tx: Connection, context: Context, envelopes: list[Envelope], used: Mapping[str, int], quotas: Quotas
    ) -> None:
        self.tx = tx
        self.context = context
        self.used = used
        by_subject = sites.find_all(tx, {envelope.subject for envelope in envelopes})
        self.now = engine_now(tx)  # behind the lock: what was decided while we waited for it is past
        self.decisions = Decisions(tx, self.now, context.policy)
        self.journal = self.decisions.journal
        self.ids = {subject: site.id for subject, site in by_subject.items()}
        self.sites = {site.id: site for site in by_subject.values()}
        self.claimed = claimed_of(tx, [site.id for site in self.sites.values() if site.paying is not None])
        self.one_at_a_time = one_at_a_time()
        self.under_way = under_way_of(tx, self._sites_that_need_under_way(envelopes), self.one_at_a_time)
        keys = [envelope.key for envelope in envelopes if envelope.uses_up_its_id]
        self.first = first_answers(tx, keys)
        allowed = [self._of_its_accounts(envelope) for envelope in envelopes]
        self.envelopes = within(quotas, allowed, self.ids, self.first)

    def _sites_that_need_under_way(self, envelopes: list[Envelope]) -> list[str]:
        """The sites of commands that look at what is under way."""
        subjects = {envelope.subject for envelope in envelopes if self._looks_at_under_way(envelope)}
        return [self.ids[subject] for subject in subjects if subject in self.ids]

    def _looks_at_under_way(self, envelope: Envelope) -> bool:
        return envelope.type.removeprefix("site.") in self.one_at_a_time

    def _of_its_accounts(self, envelope: Envelope) -> Envelope:
        return of_its_accounts(envelope, self.sites.get(self.ids.get(envelope.subject, "")))

    def keep_counts(self) -> None:
        """Keep what the host has counted where no decision wrote it: that holds when the host can't tell."""
        for site_id, agents in self.used.items():
            site = self.sites.get(site_id)
            if site is not None and site.used_agents != agents:
                sites.note_used(self.tx, site_id, agents)

    def judge(self, envelope: Envelope) -> Judgement:
        """Give the first answer again, or a new one."""
        first = self.first.get(envelope.key) if envelope.uses_up_its_id else None
        if first is not None:
            kept = without_names(envelope) if first.is_forgotten else envelope
            return self._tell(Judgement(kept, answer_again(first, kept)))
        site = self._live(envelope.subject)
        envelope = of_its_accounts(envelope, site)
        if envelope.fault is not None and not may_be_told(envelope, site):
            site = None
        command = self._command(envelope, site)
        if envelope.fault is None and envelope.type == "site.show" and site is not None:
            return self._tell(Judgement(envelope, self._show(command, site)))
        decision = self._decide(envelope, command, site)
        body = answer(command, decision, subject=envelope.subject)
        if isinstance(envelope.fault, OverQuotaError):
            return self._tell(Judgement(envelope, {**body, "retry_after_s": envelope.fault.seconds}))
        if envelope.dryrun:
            return self._tell(Judgement(envelope, self._preview(envelope, body, decision)))
        if not envelope.uses_up_its_id:
            return self._tell(Judgement(envelope, body))
        return self._keep(envelope, command, decision, body)

    def _live(self, subject: str) -> engine.Site | None:
        site = self.sites.get(self.ids.get(subject, ""))
        if site is None:
            return None
        return engine.with_live_facts(site, used_agents=self.used.get(site.id), claimed=site.id in self.claimed)

    def _command(self, envelope: Envelope, site: engine.Site | None) -> engine.Command:
        """The envelope for the law; with it the id of a new site, and the backups that a restore may choose from."""
        begins = envelope.type == "site.start_trial"
        restores = envelope.type == "site.restore" and site is not None
        return engine.Command(
            type=envelope.type,
            source=envelope.source,
            id=envelope.id,
            data=envelope.data,
            correlation_id=envelope.correlation_id,
            host=envelope.subject if site is None else site.host,
            new_site_id=f"site_{uuid7().hex}" if begins else "",
            backups=backup.kept(self.tx, site.id) if restores and site is not None else None,
            bill=self._bill(envelope, site),
            under_way=self._under_way(site) if self._looks_at_under_way(envelope) and site is not None else frozenset(),
        )

    def _under_way(self, site: engine.Site) -> frozenset[str]:
        """What is being done for a site. An export or a backup of an earlier life is not the one that is asked for."""
        known = self.under_way.get(site.id, ())
        return frozenset(kind for kind, generation in known if kind == "restore" or generation == site.generation)

    def _bill(self, envelope: Envelope, site: engine.Site | None) -> engine.Bill | None:
        """The invoice that a refund names, as the books have it after the commands before this one."""
        if envelope.type != "site.record_refund" or site is None or envelope.fault is not None:
            return None
        self.journal.write()
        return invoices.bill(self.tx, site.id, envelope.data["invoice"])

    def _decide(self, envelope: Envelope, command: engine.Command, site: engine.Site | None) -> engine.Decision:
        """The door's refusals first, then the law's."""
        if envelope.fault is not None:
            return refusal(envelope.fault, site)
        try:
            _must_be_current(envelope, site)
            return self._judged(envelope, command, site)
        except engine.Refused as refused:
            return refusal(refused, site)

    def _judged(self, envelope: Envelope, command: engine.Command, site: engine.Site | None) -> engine.Decision:
        if envelope.review is None:
            return engine.decide(site, command, self.now, self.context.policy)
        secret = review_secret(self.tx)
        quoted = self._quoted_at(envelope, secret)
        decision = engine.decide(site, command._replace(quoted_at=quoted), self.now, self.context.policy)
        if decision.outcome != "refused":
            check(envelope.review, secret, envelope, decision)
        return decision

    def _quoted_at(self, envelope: Envelope, secret: bytes) -> datetime | None:
        """The moment of the review that comes with it: a dry run that carries one is a look at that review."""
        if envelope.review is None:
            return None
        return quoted_at(envelope.review, secret, self.now, self.context.policy)

    def _keep(
        self, envelope: Envelope, command: engine.Command, decision: engine.Decision, body: Document
    ) -> Judgement:
        """Write down what was decided; the next command of this batch finds it so."""
        text = _text(body)
        judgement = self._tell(Judgement(envelope, body, decision), text)
        self.decisions.apply(command, decision, Receipt(envelope.digest, text))
        after = decision.site
        self.first[envelope.key] = StoredAnswer(envelope.digest, after.id if after else None, body)
        if after is not None and decision.outcome == "applied":
            self.sites[after.id] = after
            self.ids |= {after.host: after.id, after.id: after.id}
            self._note_begun(after, decision)
        return judgement

    def _note_begun(self, site: engine.Site, decision: engine.Decision) -> None:
        """The next command of this batch finds under way what this one has begun, or has begun again."""
        known = self.under_way.get(site.id)
        if known is None:
            return
        if decision.revives:
            known |= under_way_of(self.tx, [site.id], self.one_at_a_time)[site.id]
        begun = [one for one in decision.effects if one.kind in self.one_at_a_time]
        known |= {(one.kind, site.generation) for one in begun if self.one_at_a_time[one.kind](one.args)}

    def _tell(self, judgement: Judgement, text: SerializedJson | None = None) -> Judgement:
        """Send the answer; what moved is told after it."""
        body, envelope = judgement.answer, judgement.envelope
        self.journal.tell(
            "command.answered",
            text or _text(body),
            host=body["site"],
            site_id=body["site_id"],
            cause=envelope.id,
            correlation_id=envelope.correlation_id,
            reply_to=envelope.replyto,
        )
        return judgement

    def _preview(self, envelope: Envelope, body: Document, decision: engine.Decision) -> Document:
        """What would happen; nothing was written, and the id is not used up."""
        if decision.outcome == "refused":
            return body
        secret = review_secret(self.tx)
        token = sign(secret, envelope, decision, self._quoted_at(envelope, secret) or self.now)
        new = {"site_id": None} if decision.before is None else {}
        return {**body, **new, "outcome": "preview", "review": token, "notes": list(decision.notes)}

    def _show(self, command: engine.Command, site: engine.Site) -> Document:
        """A question: answered with the site's document, no receipt and no move."""
        self.journal.write()
        nothing = engine.Decision("no_op", site, site, allowed=engine.allowed(site, self.now, self.context.policy))
        body = answer(command, nothing, subject=site.host)
        return {**body, "document": document(self.tx, site, self.now, self.context.policy)}


def _text(body: Document) -> SerializedJson:
    return SerializedJson(to_json(body))


def _must_be_current(envelope: Envelope, site: engine.Site | None) -> None:
    wanted = envelope.expectedversion
    if wanted is not None and site is not None and site.state != "deleted" and site.version != wanted:
        raise engine.Refused(
            "state.stale", f"expectedversion {wanted} is not the site's version {site.version}; look at it again"
        )
