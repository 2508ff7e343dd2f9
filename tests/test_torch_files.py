"""PyTorch's files: weights and exported programs are read, and nothing in them is run."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_ref.checks.agreement import check_agreement
from alexnet_ref.verify import verify
from reference import Architecture, Conv, Dense, Flatten, InvalidInput, ReLU

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install torch")

SMALL = Architecture(
    name="small",
    input_shape=(6, 5, 2),
    layers=(
        Conv(name="conv", filters=4, kernel_size=(3, 3), padding="SAME"),
        ReLU(name="relu"),
        Flatten(name="flatten"),
        Dense(name="out", units=3),
    ),
)


def network() -> Any:
    """Return the small network in PyTorch."""
    from torch import nn

    return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(120, 3)).eval()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Return a file of weights."""
    import torch

    torch.save(network().state_dict(), tmp_path / "weights.pt")
    return tmp_path / "weights.pt"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return the file of an exported program that takes any batch."""
    import torch

    path = tmp_path / "program.pt2"
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    torch.export.save(torch.export.export(network(), (torch.zeros(2, 2, 6, 5),), dynamic_shapes=shapes), path)
    return path


exported = pytest.mark.slow  # PyTorch's export alone takes seconds to import


class Runs:
    """An object whose unpickling leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_weights_are_read_and_set(weights: Path) -> None:
    """A state_dict goes into a module of the same names and shapes, and into no other, which stays as it was."""
    import torch
    from torch import nn

    from alexnet_ref.candidates.torch_files import load_state_dict, read_state_dict

    module = network()
    load_state_dict(module, weights)
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in read_state_dict(weights).items())
    other = nn.Sequential(nn.Conv2d(2, 4, 5))
    before = other[0].weight.clone()
    with pytest.raises(InvalidInput, match=r"0\.weight: the weights do not fit"):
        load_state_dict(other, weights)
    assert torch.equal(before, other[0].weight)


@exported
def test_program_is_read_and_judged(program: Path) -> None:
    """An exported program in a file conforms, judged with the weights that it should have."""
    from alexnet_ref.candidates.torch import read_torch_file

    port = read_torch_file(program, SMALL)
    assert verify(port, SMALL, images=np.zeros((2, 6, 5, 2)), checks=[check_agreement]).conforms
    assert port.name == "program.pt2"


def test_weights_alone_are_no_port(weights: Path) -> None:
    """Weights are refused where a network is needed, with a hint."""
    from alexnet_ref.candidates.torch import read_torch_file

    with pytest.raises(InvalidInput, match=r"holds weights, and no network.*4 tensors.*attribute"):
        read_torch_file(weights, SMALL)


def test_pickled_objects_are_not_run(tmp_path: Path) -> None:
    """A whole module, and an object that would run something, are refused; nothing runs."""
    import torch

    from alexnet_ref.candidates.torch_files import read_state_dict

    mark = tmp_path / "mark"
    for thing in (network(), {"a": Runs(mark)}, [1, 2], {"a": 1}, {}):
        torch.save(thing, tmp_path / "thing.pt")
        with pytest.raises(InvalidInput, match="cannot be used"):
            read_state_dict(tmp_path / "thing.pt")
    assert not mark.exists()


Members = dict[str, bytes]


def _pickled_weight(members: Members, mark: Path) -> None:
    config = json.loads(members["program/data/weights/model_weights_config.json"])
    first = next(iter(config["config"].values()))
    first["use_pickle"], first["path_name"] = True, "evil"
    members["program/data/weights/model_weights_config.json"] = json.dumps(config).encode()
    members["program/data/weights/evil"] = _torch_pickle(mark)


def _pickled_sample(members: Members, mark: Path) -> None:
    members["program/data/sample_inputs/model.pt"] = _torch_pickle(mark)


def _pickled_constant(members: Members, mark: Path) -> None:
    weights = json.loads(members["program/data/weights/model_weights_config.json"])["config"]
    constant = next(iter(weights.values())) | {"path_name": "opaque_obj_0", "is_param": False}
    members["program/data/constants/model_constants_config.json"] = json.dumps({"config": {"c": constant}}).encode()
    data = pickle.dumps(Runs(mark))
    members["program/data/constants/opaque_obj_0"] = data + b"\0" * (-len(data) % 4)  # read as float32 first


def _formula(members: Members, mark: Path) -> None:
    model = json.loads(members["program/models/model.json"])
    text = json.dumps(model)
    assert '"expr_str"' in text
    evil = f"__import__('os').mkdir({str(mark)!r})"
    members["program/models/model.json"] = json.dumps(_replaced(model, evil)).encode()


def _replaced(value: Any, evil: str) -> Any:
    if isinstance(value, dict):
        return {key: evil if key == "expr_str" else _replaced(part, evil) for key, part in value.items()}
    return [_replaced(part, evil) for part in value] if isinstance(value, list) else value


def _library(members: Members, mark: Path) -> None:
    del mark
    members["program/data/aotinductor/model/evil.so"] = b"\x7fELF"


def _function(members: Members, mark: Path) -> None:
    del mark
    model = members["program/models/model.json"].decode()
    assert "torch.ops.aten.relu.default" in model
    members["program/models/model.json"] = model.replace("torch.ops.aten.relu.default", "torch.hub.load").encode()


def _torch_pickle(mark: Path) -> bytes:
    import torch

    file = io.BytesIO()
    torch.save(Runs(mark), file)
    return file.getvalue()


@exported
def test_guards_in_a_program_are_not_run(program: Path, tmp_path: Path) -> None:
    """Guards, which are Python source in the file, are left alone; PyTorch's own module runs them."""
    import contextlib

    import torch

    from alexnet_ref.candidates.torch import read_torch_file
    from alexnet_ref.candidates.torch_files import read_program

    mark = tmp_path / "mark"
    path = tmp_path / "guarded.pt2"
    with zipfile.ZipFile(program) as archive, zipfile.ZipFile(path, "w") as changed:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith("model.json"):
                guard = f"__import__('os').mkdir({str(mark)!r}) is None"
                data = json.dumps(json.loads(data) | {"guards_code": [guard]}).encode()
            changed.writestr(name, data)
    port = read_torch_file(path, SMALL)
    assert port.outputs(np.zeros((1, 2, 6, 5), np.float32))
    assert not mark.exists()
    with contextlib.suppress(Exception):
        read_program(path).module()(torch.zeros(3, 2, 6, 5))
    assert mark.exists()


@exported
@pytest.mark.parametrize("change", [_pickled_weight, _pickled_sample, _pickled_constant, _formula, _library, _function])
@pytest.mark.filterwarnings("ignore::UserWarning")  # what PyTorch says of the file when it is let do as it is told
def test_code_in_a_program_is_not_run(change: Callable[[Members, Path], None], program: Path, tmp_path: Path) -> None:
    """Whatever in a program's file PyTorch would run is refused: without that it does run, where reading is enough for it."""
    import contextlib

    import torch

    from alexnet_ref.candidates.torch_files import read_program

    with zipfile.ZipFile(program) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    mark, path = tmp_path / "mark", tmp_path / "evil.pt2"
    change(members, mark)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(InvalidInput):
        read_program(path)
    assert not mark.exists()
    with contextlib.suppress(Exception):
        torch.export.load(path)
    assert mark.exists() or change in (_library, _function)


def test_files_that_are_something_else_are_refused(tmp_path: Path, weights: Path) -> None:
    """Text, nothing, a cut file, and a file that is not there, each in a line."""
    from alexnet_ref.candidates import torch_files

    bad = tmp_path / "bad.pt"
    for data in (b"", b"text", weights.read_bytes()[:500], weights.read_bytes()[:-10]):
        bad.write_bytes(data)
        for read in (torch_files.read_state_dict, torch_files.read_program):
            with pytest.raises(InvalidInput):
                read(bad)
    with pytest.raises(InvalidInput):
        torch_files.read_state_dict(tmp_path / "missing.pt")
    with pytest.raises(InvalidInput):
        torch_files.read_program(weights)


@exported
def test_cut_programs_are_refused(tmp_path: Path, program: Path) -> None:
    """The beginning of an exported program's file is neither weights nor a program."""
    from alexnet_ref.candidates import torch_files

    (tmp_path / "bad.pt").write_bytes(program.read_bytes()[:500])
    for read in (torch_files.read_state_dict, torch_files.read_program):
        with pytest.raises(InvalidInput):
            read(tmp_path / "bad.pt")


def test_size_is_looked_at_first(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file beyond the limit, packed or unpacked, is not loaded."""
    from alexnet_ref.candidates import torch_files

    monkeypatch.setattr(torch_files, "LARGEST", 1000)
    with pytest.raises(InvalidInput, match="too large"):
        torch_files.read_state_dict(weights)
