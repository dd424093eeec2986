"""Who may use a site now: its doors and its agent limit, as the host is told. What holds now counts, not what held."""

import engine
from workers.base.fault_points import fault_point
from workers.context import Context
from workers.effects.claim import NOTHING, Claim, EffectResult


def bring_online(context: Context, claim: Claim) -> EffectResult:
    """Open the doors, for as many agents as may use it now; one that is offline again is left to its own effect."""
    if claim.site.online:
        entitle(context, claim.site, claim.row.id)
    return NOTHING


def take_offline(context: Context, claim: Claim) -> EffectResult:
    """Close the doors, unless the site has come back since."""
    if not claim.site.online:
        context.host.take_offline(claim.site.id, key=claim.row.id)
    return NOTHING


def set_agent_limit(context: Context, claim: Claim) -> EffectResult:
    """Tell the host the number that holds now, which may be newer than the one asked for."""
    context.host.set_agent_limit(claim.site.id, claim.site.agents_allowed, key=claim.row.id)
    return NOTHING


def entitle(context: Context, site: engine.Site, key: str) -> None:
    """Tell the host all that a site may do now, whatever it was told before."""
    context.host.set_agent_limit(site.id, site.agents_allowed, key=key)
    fault_point("access.entitling")
    (context.host.bring_online if site.online else context.host.take_offline)(site.id, key=key)
