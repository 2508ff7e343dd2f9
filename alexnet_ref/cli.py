"""The command line, a command a module. Exit code 0 conforms, 1 does not, 2 could not be checked or bad input."""

from __future__ import annotations

import sys
from typing import Any

import click

from alexnet_ref.claims.command import claims
from alexnet_ref.export.command import export
from alexnet_ref.figures.command import figures
from alexnet_ref.memory import keep_pages
from alexnet_ref.power.command import power
from alexnet_ref.train.command import train
from alexnet_ref.verify_command import console_of_width, verify
from reference import ARCHITECTURES, InvalidInput


class OneLineErrors(click.Group):
    """Bad input ends in one line on standard error and exit code 2, never in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except InvalidInput as error:
            click.echo(f"alexnet-ref: {error}", err=True)
            sys.exit(2)


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="alexnet-ref", prog_name="alexnet-ref")
def main() -> None:
    """AlexNet as two documents describe it: a NumPy oracle, TensorFlow models, and the judge between them."""
    keep_pages()


@main.command()
@click.argument("architecture", type=click.Choice(list(ARCHITECTURES)))
def summary(architecture: str) -> None:
    """Print the documented table beside the computed one, with what each layer costs."""
    from alexnet_ref.report.summary import summary_table, totals

    console = console_of_width()
    console.print(summary_table(ARCHITECTURES[architecture]))
    for line in totals(ARCHITECTURES[architecture]):
        console.print(line, soft_wrap=True, highlight=False)


for command in (verify, power, train, claims, export, figures):
    main.add_command(command)
