"""Commands judged in one transaction, one after the other: each sees what those before it have changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from uuid_utils import uuid7

import engine
from engine.spelling import has_at_sign
from engine.words import masked, shown
from models import backup, invoices, receipt
from models import site as sites
from models.clock import engine_now, review_secret
from models.columns import SerializedJson, to_json
from models.effect import ONE_AT_A_TIME, claimed_of, is_one_at_a_time, under_way_of
from models.journal import Journal
from workers.commands.answer import Document, answer, refusal
from workers.commands.envelope import Envelope
from workers.commands.quotas import Asked, OverQuotaError, Quotas
from workers.commands.review_token import check, quoted_at, sign
from workers.commands.site_document import document
from workers.context import Context

DEAR = frozenset(f"site.{kind}" for kind in ONE_AT_A_TIME)
"""Commands that look at what is under way on the site."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said to one envelope; the decision is None when nothing was decided now."""

    envelope: Envelope
    said: Document
    decision: engine.Decision | None = None


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The first answer to a key, and the digest of what it was asked with; its customer may be forgotten since."""

    digest: str
    site_id: str | None
    said: Document
    is_forgotten: bool = False


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
        found = sites.find_all(tx, {envelope.subject for envelope in envelopes})
        self.now = engine_now(tx)  # behind the lock: what was decided while we waited for it is past
        self.journal = Journal(tx, self.now, context.policy)
        self.ids = {subject: site.id for subject, site in found.items()}
        self.sites = {site.id: site for site in found.values()}
        self.claimed = claimed_of(tx, [site.id for site in self.sites.values() if site.paying is not None])
        dear = {self.ids[one.subject] for one in envelopes if one.type in DEAR and one.subject in self.ids}
        self.under_way = under_way_of(tx, list(dear))
        keys = [envelope.key for envelope in envelopes if envelope.uses_up_its_id]
        self.first = _first_answers(tx, keys)
        self.envelopes = self._within(quotas, envelopes)

    def _within(self, quotas: Quotas, envelopes: list[Envelope]) -> list[Envelope]:
        """The envelopes, those that are too many with that as their fault. What was answered before is not counted."""
        if quotas.is_off:
            return envelopes
        asked: list[Asked] = []
        numbers: dict[tuple[str, str], int] = {}
        counted: list[int | None] = []
        for envelope in envelopes:
            number = None if envelope.uses_up_its_id and envelope.key in self.first else len(asked)
            if number is not None and envelope.uses_up_its_id:
                number = numbers.setdefault(envelope.key, number)
            if number == len(asked):
                asked.append(Asked(envelope.source, self.ids.get(envelope.subject, envelope.subject)))
            counted.append(number)
        waits = quotas.take(asked)
        return [
            envelope if number is None or not waits[number] else _over(envelope, asked[number], waits[number])
            for envelope, number in zip(envelopes, counted, strict=True)
        ]

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
            heard = _unnamed(envelope) if first.is_forgotten else envelope
            return self._tell(Judgement(heard, _again(first, heard)))
        site = self._live(envelope.subject)
        command = self._command(envelope, site)
        if envelope.fault is None and envelope.type == "site.show" and site is not None:
            return self._tell(Judgement(envelope, self._show(command, site)))
        decision = self._decide(envelope, command, site)
        said = answer(command, decision, subject=envelope.subject)
        if isinstance(envelope.fault, OverQuotaError):
            return self._tell(Judgement(envelope, {**said, "retry_after_s": envelope.fault.seconds}))
        if envelope.dryrun:
            return self._tell(Judgement(envelope, self._preview(envelope, said, decision)))
        if not envelope.uses_up_its_id:
            return self._tell(Judgement(envelope, said))
        return self._keep(command, Judgement(envelope, said, decision))

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
            under_way=self._under_way(site) if envelope.type in DEAR and site is not None else frozenset(),
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

    def _keep(self, command: engine.Command, verdict: Judgement) -> Judgement:
        """Write down what was decided; the next command of this sitting finds it so."""
        envelope, decision = verdict.envelope, verdict.decision
        if decision is None:
            raise ValueError(f"command {envelope.id} was not decided, so there is nothing to keep")
        self.journal.record(command, decision)
        told = _text(verdict.said)
        self.journal.answered(command, decision, envelope.digest, told)
        after = decision.site
        self.first[envelope.key] = StoredAnswer(envelope.digest, after.id if after else None, verdict.said)
        if after is not None and decision.outcome == "applied":
            self.sites[after.id] = after
            self.ids |= {after.host: after.id, after.id: after.id}
            self._note_begun(after, decision)
        return self._tell(verdict, told)

    def _note_begun(self, site: engine.Site, decision: engine.Decision) -> None:
        """The next command of this sitting finds under way what this one has begun, or has begun again."""
        known = self.under_way.get(site.id)
        if known is None:
            return
        if decision.revives:
            known |= under_way_of(self.tx, [site.id])[site.id]
        known |= {(one.kind, site.generation) for one in decision.effects if is_one_at_a_time(one.kind, one.args)}

    def _tell(self, verdict: Judgement, told: SerializedJson | None = None) -> Judgement:
        """The answer first, then what moved."""
        said, envelope = verdict.said, verdict.envelope
        where: Mapping[str, Any] = {
            "host": said["site"],
            "site_id": said["site_id"],
            "cause": envelope.id,
            "correlation_id": envelope.correlation_id,
        }
        self.journal.tell("command.answered", told or _text(said), reply_to=envelope.replyto, **where)
        for event in verdict.decision.events if verdict.decision is not None else ():
            self.journal.tell(event.type, event.data, **where)
        return verdict

    def _preview(self, envelope: Envelope, said: Document, decision: engine.Decision) -> Document:
        """What would happen; nothing was written, and the id is not used up."""
        if decision.outcome == "refused":
            return said
        secret = review_secret(self.tx)
        token = sign(secret, envelope, decision, self._quoted_at(envelope, secret) or self.now)
        new = {"site_id": None} if decision.before is None else {}
        return {**said, **new, "outcome": "preview", "review": token, "notes": list(decision.notes)}

    def _show(self, command: engine.Command, site: engine.Site) -> Document:
        """A question: answered with the site's document, no receipt and no move."""
        self.journal.write()
        nothing = engine.Decision("no_op", site, site, allowed=engine.allowed(site, self.now, self.context.policy))
        said = answer(command, nothing, subject=site.host)
        return {**said, "document": document(self.tx, site, self.now, self.context.policy)}


def _over(envelope: Envelope, asked: Asked, seconds: int) -> Envelope:
    return envelope._replace(fault=OverQuotaError(asked, seconds))


def _first_answers(tx: Connection, keys: list[tuple[str, str]]) -> dict[tuple[str, str], StoredAnswer]:
    """What was answered to these keys before; those that named somebody may be kept as hashes."""
    first = {key: StoredAnswer(row.digest, row.site_id, row.answer) for key, row in receipt.find_all(tx, keys).items()}
    naming = [key for key in keys if key not in first and any(map(has_at_sign, key))]
    if naming:
        secret = review_secret(tx)
        hashed = {kept: key for key in naming for kept in receipt.forgotten_keys(secret, key)}
        for kept, row in receipt.find_all(tx, list(hashed)).items():
            first[hashed[kept]] = StoredAnswer(row.digest, row.site_id, row.answer, is_forgotten=True)
    return first


def _unnamed(envelope: Envelope) -> Envelope:
    """The envelope without the name of somebody who was forgotten: what is said to it is kept again."""
    correlation_id = None if envelope.correlation_id is None else masked(envelope.correlation_id)
    return envelope._replace(source=masked(envelope.source), id=masked(envelope.id), correlation_id=correlation_id)


def _text(said: Document) -> SerializedJson:
    return SerializedJson(to_json(said))


def _must_be_current(envelope: Envelope, site: engine.Site | None) -> None:
    wanted = envelope.expectedversion
    if wanted is not None and site is not None and site.state != "deleted" and site.version != wanted:
        raise engine.Refused(
            "state.stale", f"expectedversion {wanted} is not the site's version {site.version}; look at it again"
        )


def _again(first: StoredAnswer, envelope: Envelope) -> Document:
    """The same key: the same answer for the same content, a refusal for another."""
    if envelope.has_content_of(first.digest):
        return {**first.said, "duplicate": True}
    conflict = engine.Refused(
        "command.id_conflict",
        f"id {shown(envelope.id)} of source {shown(envelope.source)} was used before with other content; use a new id",
    )
    command = engine.Command(envelope.type, envelope.source, envelope.id, host=envelope.subject)
    return {**answer(command, refusal(conflict, None), subject=envelope.subject), "site_id": first.site_id}
