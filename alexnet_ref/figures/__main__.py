"""`python -m alexnet_ref.figures`: the same as `alexnet-ref figures`."""

from __future__ import annotations

import sys

import click

from alexnet_ref.figures.command import figures
from reference import InvalidInput

if __name__ == "__main__":
    try:
        figures()
    except InvalidInput as error:
        click.echo(f"alexnet-ref: {error}", err=True)
        sys.exit(2)
