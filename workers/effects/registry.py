"""Every kind of effect: where it waits, who does it, what its end means. A new kind is a handler and an entry here."""

from workers.base import effect_kinds
from workers.base.effect_kinds import always
from workers.base.errors import Temporary
from workers.context import Context
from workers.effects import access, backup, charge, mail
from workers.effects.claim import Claim, EffectResult
from workers.effects.definition import EffectDefinition
from workers.effects.delete import delete
from workers.effects.export import export
from workers.effects.provision import provision
from workers.effects.restore import restore

EFFECTS: dict[str, EffectDefinition] = {}
"""Every kind by its name."""


def register(definition: EffectDefinition) -> None:
    """Add a kind. Raises ValueError if there is one of this name."""
    effect_kinds.register(definition)
    EFFECTS[definition.name] = definition


def definition_of(name: str) -> EffectDefinition:
    """A kind by its name; of another version's kind one that fails and is tried again, for an upgrade may bring it."""
    return EFFECTS.get(name) or EffectDefinition(name=name, lane="", adapter=name, handler=_unknown)


def kinds_by_queue() -> dict[str, list[str]]:
    """The names of the kinds of each queue."""
    queues: dict[str, list[str]] = {}
    for definition in EFFECTS.values():
        queues.setdefault(definition.queue, []).append(definition.name)
    return queues


def _unknown(_context: Context, claim: Claim) -> EffectResult:
    raise Temporary(f"this version knows no effect of kind {claim.row.kind!r}: upgrade this worker")


for _definition in (
    EffectDefinition(
        name="provision",
        handler=provision,
        adapter="host",
        lane="access",
        gave_up="site.provision_failed",
        is_awaited_by_deletion=always,
    ),
    EffectDefinition(
        name="bring_online",
        handler=access.bring_online,
        adapter="host",
        lane="access",
        changes_access=True,
    ),
    EffectDefinition(
        name="take_offline",
        handler=access.take_offline,
        adapter="host",
        lane="access",
        changes_access=True,
    ),
    EffectDefinition(
        name="set_agent_limit",
        handler=access.set_agent_limit,
        adapter="host",
        lane="access",
        changes_access=True,
    ),
    EffectDefinition(
        name="charge",
        handler=charge.charge,
        adapter="payments",
        lane="money",
        patience_seconds=900.0,
        matters_late=charge.was_dropped,
    ),
    EffectDefinition(
        name="mail",
        handler=mail.mail,
        adapter="mailer",
        lane="mail",
        patience_seconds=1_200.0,
        runs_after_deletion=True,
        clears_faults=False,
        is_awaited_by_deletion=mail.is_deletion_notice,
        name_in_log=mail.name_in_log,
    ),
    EffectDefinition(
        name="back_up",
        handler=backup.back_up,
        adapter="vault",
        lane="data",
        queue="data",
        is_one_at_a_time=backup.is_on_demand,
        failure_drops_older=backup.is_nightly,
        is_awaited_by_deletion=always,
    ),
    EffectDefinition(
        name="export",
        handler=export,
        adapter="downloads",
        lane="data",
        queue="data",
        is_one_at_a_time=always,
        is_awaited_by_deletion=always,
    ),
    EffectDefinition(
        name="restore",
        handler=restore,
        adapter="vault",
        lane="data",
        queue="data",
        changes_access=True,
        is_one_at_a_time=always,
    ),
    EffectDefinition(
        name="delete",
        handler=delete,
        adapter="stores",
        lane="data",
        queue="deletions",
        runs_after_deletion=True,
        is_awaited_by_deletion=always,
    ),
):
    register(_definition)
