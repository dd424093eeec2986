"""`tenure`: the command line of contract.md section 3, each verb loaded only when it is used."""

from importlib import import_module
from typing import NamedTuple

import click

from workers.base import private_files


class Verb(NamedTuple):
    """Where a verb's click command stands in `workers/cli/`, and its sentence in the list of verbs."""

    module: str
    attribute: str
    sentence: str


VERBS = {
    "backup": Verb("backup", "backup_group", "List a site's backups, or read one back to check it."),
    "clock": Verb("clock", "clock", "Show engine time, or move the test clock."),
    "contract": Verb("contract", "contract", "Print the commands, states, events and codes of this version."),
    "dead": Verb("dead", "dead", "List, retry or drop messages and effects that gave up."),
    "deletion": Verb("deletion", "deletion_group", "Show, stop, release and prove deletions."),
    "diagram": Verb("diagram", "diagram", "Print the states and moves as a Mermaid diagram."),
    "doctor": Verb("doctor", "doctor", "Check everything, and name the remedy for what is wrong."),
    "due": Verb("due", "due", "Show what will happen next, and what it will cost."),
    "effect": Verb("effect", "effect_group", "Look at effects: charges, letters, backups and the rest."),
    "migrate": Verb("migrate", "migrate", "Bring the database to the newest schema."),
    "producer": Verb("producer", "producer", "Say which other systems may send commands, and give them keys."),
    "safe-mode": Verb("safe_mode", "safe_mode", "Show whether safe mode is on and why, or `leave` it."),
    "send": Verb("send", "send", "Send a command to a site."),
    "simulate": Verb("simulate", "simulate", "Run the same rules on made-up sites, years in seconds."),
    "site": Verb("site", "site_group", "List sites, or look at one of them."),
    "stats": Verb("stats", "stats", "Show the fleet in numbers; `prom` is for Prometheus."),
    "status": Verb("status", "status", "Show what is wrong now, each with a command that helps."),
    "tail": Verb("tail", "tail", "Follow the events as they are published, until Ctrl-C."),
    "up": Verb("up", "up", "Run everything on this machine: Valkey, workers and clock."),
}
"""Every verb. The sentences stand here too, so that `--help` loads none of the modules."""


class Verbs(click.Group):
    """Loads a verb when it is asked for: `--help` and the supervisor must not wait for the imports of the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every verb, for `--help`."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """One verb by its name."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        import_module("workers.base.terminal").take_over()
        found: click.Command = getattr(import_module(f"workers.cli.{verb.module}"), verb.attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the verbs without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, VERBS[name].sentence) for name in sorted(VERBS)])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tenure", message="%(prog)s %(version)s")
def main() -> None:
    """Run the life of hosted sites, from a free trial to a proved deletion.

    Start with `tenure up`; in another terminal the other verbs find it through the data folder.
    Data goes to stdout, all else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused,
    4 not found, 5 the wait ran out.
    """
    private_files.begin()
