"""`tenure contract`: what other systems may send and what they get."""

import click

from workers.base.terminal import out
from workers.cli import contract_document
from workers.cli.verb import as_json


@click.command()
@as_json
def contract(*, as_json: bool) -> None:
    """Print the commands, states, events and codes of this version.

    With --json also the JSON Schemas, for programs.
    """
    out(contract_document.contract(), contract_document.text, as_json=as_json)
