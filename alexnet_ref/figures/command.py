"""`alexnet-ref figures`: the pictures and pages that read along with the documents, from trained networks."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from reference import InvalidInput


@click.command()
@click.option(
    "--run",
    "runs",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    multiple=True,
    help="A folder that `alexnet-ref train` filled; one for each network. Without any, the pages alone are written anew.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path("docs"),
    show_default=True,
    help="The folder of the pages; pictures and measured.json go into its figures/.",
)
def figures(*, runs: tuple[Path, ...], out: Path) -> None:
    """Draw what trained networks do to a real digit, measure it, and write the pages about it."""
    for package in ("jinja2", *(("matplotlib",) if runs else ())):
        if importlib.util.find_spec(package) is None:
            raise InvalidInput(
                f"{package} is not installed", where="alexnet-ref figures", hint="pip install 'alexnet-ref[docs]' brings it"
            )
    from alexnet_ref.figures.pages import MEASURED, PAGES, measured_json, read_measured, render
    from alexnet_ref.files import write_atomically
    from reference import ARCHITECTURES

    folder = out / "figures"
    measured = read_measured(folder / MEASURED)
    names = _draw(runs, folder, measured)
    if missing := [name for name in ARCHITECTURES if name not in measured]:
        raise InvalidInput(
            "nothing is known of a trained network",
            where=str(folder / MEASURED),
            expected="a --run of each",
            received=f"none of {', '.join(missing)}",
        )
    write_atomically(folder / MEASURED, measured_json({name: measured[name] for name in ARCHITECTURES}))
    for page in PAGES:
        write_atomically(out / f"{page}.md", render(page, measured))
    click.echo(f"{out}: {', '.join(f'{page}.md' for page in PAGES)}; {len(names)} pictures in {folder}")


def _draw(runs: tuple[Path, ...], folder: Path, measured: dict[str, object]) -> list[str]:
    """Draw the runs' pictures into the folder and put their numbers into `measured`; return the pictures' names."""
    if not runs:
        return []
    from alexnet_ref.figures.draw import draw
    from alexnet_ref.figures.style import save_png
    from alexnet_ref.figures.trained import read_trained, shipped_digits

    trained = [read_trained(run) for run in runs]  # refused before anything is drawn
    networks = [run.architecture.name for run in trained]
    if len(set(networks)) < len(networks):
        raise InvalidInput("two runs of one network", where="--run", received=", ".join(networks))
    folder.mkdir(exist_ok=True)
    digits, names = shipped_digits(), []
    for run in trained:
        pictures, measured[run.architecture.name] = draw(run, digits)
        for name, picture in pictures.items():
            names.append(f"{run.architecture.name}_{name}.png")
            save_png(picture, folder / names[-1])
    return names
