"""`alexnet-ref export`: a documented network as an ONNX file."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from reference import ARCHITECTURES, InvalidInput


@click.command()
@click.argument("architecture", type=click.Choice(list(ARCHITECTURES)))
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The ONNX file to write.")
@click.option(
    "--params",
    "params_file",
    type=click.Path(path_type=Path),
    help="Weights as `train` writes them, params.npz (default: the document's initial ones).",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="For the initial weights.")
@click.option("--layout", type=click.Choice(["NCHW", "NHWC"]), default="NCHW", show_default=True, help="Of the images.")
def export(architecture: str, out: Path, params_file: Path | None, seed: int, layout: str) -> None:
    """Write a network with its weights as an ONNX file, by which an ONNX runtime can be judged."""
    if importlib.util.find_spec("onnx") is None:
        raise InvalidInput("onnx is not installed", where="alexnet-ref export", hint="pip install 'alexnet-ref[onnx]'")
    from alexnet_ref.candidates.params_file import read_params
    from alexnet_ref.export.onnx import export_onnx
    from alexnet_ref.files import replacing
    from reference import init_params

    params = init_params(architecture, seed) if params_file is None else read_params(params_file, architecture)
    data = export_onnx(architecture, params, layout=layout).SerializeToString()  # type: ignore[arg-type]  # click's choice
    with replacing(out) as temporary:
        temporary.write_bytes(data)
    click.echo(f"{out}: {architecture}, {layout}, {len(data):,} bytes")
