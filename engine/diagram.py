"""The states and their moves as a Mermaid diagram, drawn from the law's table."""

from engine.rules import RULES
from engine.site import ABSENT


def diagram(state: str | None = None) -> str:
    """Mermaid text of every move that changes a state; `state` marks where a site stands."""
    lines = ["stateDiagram-v2", "    direction LR", *(f"    {edge}" for edge in edges())]
    if state is not None:
        lines += ["    classDef here fill:#fc3,stroke:#333", f"    class {state} here"]
    return "\n".join(lines) + "\n"


def edges() -> list[str]:
    """One line for each pair of states, with the commands that lead from one to the other."""
    moves: dict[tuple[str, str], list[str]] = {}
    for rule in RULES:
        for source in rule.sources:
            if rule.to not in {None, source}:
                names = moves.setdefault(("[*]" if source == ABSENT else source, rule.to), [])
                name = rule.command.removeprefix("site.")
                names += [] if name in names else [name]
    return [f"{source} --> {to}: {', '.join(names)}" for (source, to), names in moves.items()] + ["deleted --> [*]"]
