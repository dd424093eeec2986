"""Building a new site."""

from workers.context import Context
from workers.effects.claim import Claim, EffectResult


def provision(context: Context, claim: Claim) -> EffectResult:
    """Build the site; a second time finds it built."""
    site, agents = claim.site, claim.args["agents"]
    context.host.provision(site.id, hostname=site.host, email=site.email, agents=agents, key=claim.row.id)
    return EffectResult("site.provisioned")
