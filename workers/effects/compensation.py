"""A handler that ended after its claim was lost: what it did last may undo what has been decided since."""

import engine
from models import site as sites
from models.clock import engine_now
from models.database import reading, writing
from workers.base.fault_points import fault_point
from workers.commands.apply import AfterCommit, Decisions
from workers.commands.effect_report import tell_law
from workers.context import Context
from workers.effects.access import entitle
from workers.effects.claim import Claim, EffectResult
from workers.effects.registry import definition_of


def compensate(context: Context, claim: Claim) -> None:
    """Tell the host once more what holds now, and take away what was put down for a site that is deleted."""
    fault_point("late.lost")
    with reading(context.database) as tx:
        site = sites.find(tx, claim.site.id)
    if site is None:
        return
    if site.state == "deleted":
        context.downloads.remove_all(site.id)
        context.vault.remove_all(site.id)
        fault_point("late.taken_away")
    elif definition_of(claim.row.kind).changes_access and _may_be_told(site):
        entitle(context, site, claim.row.id)
        fault_point("late.made_good")


def _may_be_told(site: engine.Site) -> bool:
    return site.ready_at is not None and site.state != "deleting"


def tell_late(context: Context, claim: Claim, result: EffectResult) -> AfterCommit:
    """Tell the law of a late result that matters: of money that was taken though the charge had been given up."""
    with writing(context.database) as tx:
        site = sites.find(tx, claim.site.id)
        decisions = Decisions(tx, engine_now(tx), context.policy)
        if site is not None and result.command is not None and _matters(site, claim, result):
            tell_law(decisions, context, site, claim.row, result.command, result.data)
        return decisions.write()


def _matters(site: engine.Site, claim: Claim, result: EffectResult) -> bool:
    return definition_of(claim.row.kind).matters_late(site, claim, result)
