"""The names of the queues and of the actor that takes commands. Other systems know them: they are contract."""

COMMANDS = "lifecycle"
"""The queue of commands."""

COMMAND_ACTOR = "command"
"""The actor of that queue; on every other queue the actor is named like its queue."""

EFFECTS = "effects"
"""The queue of quick effects."""

EFFECT_QUEUES = (EFFECTS, "data", "deletions")
"""Quick effects; backups and exports; deletions."""

QUEUES = (COMMANDS, *EFFECT_QUEUES)
