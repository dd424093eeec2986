"""The law: one table of rules and the pure functions around it. No I/O, no clock, no log, no random."""

from engine.authority import authorize_destruction
from engine.command import CLOCK, EFFECTS, INTERNAL, LABELS, OPERATORS, PUBLIC, TIMERS, Bill, Command
from engine.decide import decide, with_live_facts
from engine.decision import Answered, Charge, Closed, Decision, Effect, Event, Invoice, Payment, Refused
from engine.faults import CODES as FAULT_CODES
from engine.faults import attention, is_tried_again, is_wanted, open_faults
from engine.letter import Letter, letter_facts
from engine.menu import allowed, menu
from engine.policy import Policy
from engine.retention import Kept, restore_points, to_keep
from engine.site import STATES, UNTIMED, Fault, Owed, Paying, Site, changed_facts, site_of
from engine.timers import timers
from engine.walk import COUNTED

__all__ = [
    "CLOCK",
    "COUNTED",
    "EFFECTS",
    "FAULT_CODES",
    "INTERNAL",
    "LABELS",
    "OPERATORS",
    "PUBLIC",
    "STATES",
    "TIMERS",
    "UNTIMED",
    "Answered",
    "Bill",
    "Charge",
    "Closed",
    "Command",
    "Decision",
    "Effect",
    "Event",
    "Fault",
    "Invoice",
    "Kept",
    "Letter",
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
    "is_tried_again",
    "is_wanted",
    "letter_facts",
    "menu",
    "open_faults",
    "restore_points",
    "site_of",
    "timers",
    "to_keep",
    "with_live_facts",
]
