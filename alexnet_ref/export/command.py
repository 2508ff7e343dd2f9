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
    help="Weights as train and verify keep them: .npz of 'layer/part' (default: the document's initial ones).",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="For the initial weights.")
@click.option("--layout", type=click.Choice(["NCHW", "NHWC"]), default="NCHW", show_default=True, help="Of the images.")
def export(architecture: str, out: Path, params_file: Path | None, seed: int, layout: str) -> None:
    """Write a network with its weights as an ONNX file, by which an ONNX runtime can be judged."""
    if importlib.util.find_spec("onnx") is None:
        raise InvalidInput("onnx is not installed", where="alexnet-ref export", hint="pip install 'alexnet-ref[onnx]'")
    from alexnet_ref.export.onnx import export_onnx
    from alexnet_ref.files import replacing
    from alexnet_ref.train.results import read_params
    from reference import init_params

    if params_file is None:
        params = init_params(architecture, seed)
    else:
        try:
            params = read_params(params_file)
        except Exception as error:  # noqa: BLE001 - zipfile, zlib and NumPy raise what they like at bytes that are no archive
            received = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InvalidInput("cannot be read", where=str(params_file), expected="an .npz of weights", received=received) from None
    data = export_onnx(architecture, params, layout=layout).SerializeToString()  # type: ignore[arg-type]  # click's choice
    with replacing(out) as temporary:
        temporary.write_bytes(data)
    click.echo(f"{out}: {architecture}, {layout}, {len(data):,} bytes")
