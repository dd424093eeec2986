"""The law: one table of rules and the pure functions around it. No I/O, no clock, no log, no random."""

from engine.authority import authorize_destruction
from engine.command import EFFECTS, INTERNAL, LABELS, OPERATORS, PUBLIC, TIMERS, Command
from engine.decide import decide, with_live_facts
from engine.decision import (
    Answered,
    Charge,
    Closed,
    Decision,
    Effect,
    Event,
    Invoice,
    Payment,
    Refused,
)
from engine.ladder import notice_stands, suspends_at
from engine.menu import allowed, menu
from engine.nights import attention
from engine.policy import Policy
from engine.retention import Kept, restore_points, to_keep
from engine.site import STATES, Owed, Paying, Site, changed_facts, site_of
from engine.timers import timers

__all__ = [
    "EFFECTS",
    "INTERNAL",
    "LABELS",
    "OPERATORS",
    "PUBLIC",
    "STATES",
    "TIMERS",
    "Answered",
    "Charge",
    "Closed",
    "Command",
    "Decision",
    "Effect",
    "Event",
    "Invoice",
    "Kept",
    "Owed",
    "Paying",
    "Payment",
    "Policy",
    "Refused",
    "Site",
    "allowed",
    "attention",
    "authorize_destruction",
    "changed_facts",
    "decide",
    "menu",
    "notice_stands",
    "restore_points",
    "site_of",
    "suspends_at",
    "timers",
    "to_keep",
    "with_live_facts",
]
