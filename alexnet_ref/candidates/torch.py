"""A PyTorch module or exported program as a candidate. Imports PyTorch: import it only inside a function that needs it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet_ref.candidates import torch_body, torch_files
from alexnet_ref.candidates.layout import channels_first
from alexnet_ref.candidates.step import Array, Framework, NotCheckable, Step, Weights
from alexnet_ref.candidates.torch_graph import attribute, mode
from alexnet_ref.candidates.torch_trace import only_tensor, seeded
from alexnet_ref.candidates.torch_training import train
from alexnet_ref.candidates.trained import Trained
from reference import Architecture, InvalidInput, layer_shapes


class TorchPort:
    """An nn.Module or a torch.export.ExportedProgram. `architecture` tells which images it may be fed, and what words mean."""

    framework: Framework = "torch"

    def __init__(self, module: Any, architecture: Architecture, *, name: str | None = None) -> None:
        """Find the input's form and the steps; InvalidInput where it takes the document's images in no form."""
        exported = isinstance(module, torch.export.ExportedProgram)
        self.trains = not exported
        self._loss = architecture.recipe.loss
        self.name = name or ("PyTorch exported program" if exported else f"PyTorch {type(module).__name__}")
        tensors = module.state_dict.values() if exported else [*module.parameters(), *module.buffers()]
        like = next((tensor for tensor in tensors if tensor.is_floating_point()), torch.zeros(()))
        self._device, self._dtype = like.device, like.dtype
        shape, self._forms = _exported_form(module) if exported else self._form(module, architecture)
        self.input_shape: tuple[int | None, ...] | None = shape
        self.channels_first = shape != architecture.input_shape
        body = torch_body.of_program if exported else torch_body.of_module
        self._body: torch_body.Body = body(module, lambda batch: self._sample(shape, batch), architecture)

    def _sample(self, shape: tuple[int, ...], batch: int) -> Any:
        generator = torch.Generator().manual_seed(batch)
        return torch.rand((batch, *shape), generator=generator).to(self._device, self._dtype)

    def _form(self, module: Any, architecture: Architecture) -> tuple[tuple[int, ...], str]:
        """Return the first form of an image that the module takes, and in words all that it takes."""
        classes = math.prod(layer_shapes(architecture)[architecture.layers[-1].name])
        taken, hindrances = [], []
        for shape in _forms(architecture):
            try:
                with mode(module, training=False), seeded():
                    result = only_tensor(module(self._sample(shape, 2)))
            except Exception as error:  # noqa: BLE001 - whatever it raises, it does not take this form
                first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
                hindrances.append(f"{_words(shape)}: {first_line}")
                continue
            taken.append((result.shape[:1] == (2,) and result.numel() == 2 * classes, shape))
        if not taken:
            received = "; ".join(hindrances)
            raise InvalidInput("the module takes the document's images in no form", where=self.name, received=received)
        best = max(taken, key=lambda form: form[0])[1]  # the first of those with a result of the right size, if there are any
        others = " or ".join(_words(shape) for _, shape in taken if shape != best)
        return best, _words(best) + (f"; it would take {others} as well" if others else "")

    def environment(self) -> dict[str, Any]:
        """Return PyTorch's version, device and settings, and how the port was seen."""
        settings: dict[str, Any] = {
            "torch": torch.__version__,
            "device": str(self._device),
            "dtype": str(self._dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "oneDNN": bool(torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled),
            "steps found by": self._body.way,
            "input": self._forms,
        }
        if self._device.type == "cuda":
            settings["GPU"] = torch.cuda.get_device_name(self._device)
            tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
            settings["TF32"] = dict(zip(("products", "convolutions"), tf32, strict=True))
        return settings

    def steps(self) -> list[Step]:
        """Return the steps, in the order in which they are computed."""
        return [described.step for described in self._body.steps]

    def weights(self) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return kernels as HWIO or (in, out), and biases; NotCheckable where some are computed on the way."""
        found = {}
        for described in self._body.steps:
            if described.step.params is None or (described.step.params and not described.places):
                raise NotCheckable(f"which weights {described.step.name} has does not show")
            if described.places:
                found[described.step.name] = {
                    part: place.read(attribute(self._body.root, place.path)) for part, place in described.places.items()
                }
        return found

    def outputs(self, x: Array) -> list[Array]:
        """Return every step's inference output."""
        return [_array(y) for y in self._body.outputs(self._tensor(x))]

    def run(self, first: int, last: int, x: Array, weights: Weights, *, training: bool = False) -> Array:
        """Run steps with these weights in the place of their own, which stay untouched."""
        steps = self._body.steps[first : last + 1]
        replaced = {path: value for described in steps for path, value in self._set(described, weights)}
        return _array(self._body.run(first, last, self._tensor(x), replaced, training=training))

    def untrainable(self) -> str:
        """Return why it cannot be trained."""
        return "" if self.trains else "an exported program is one of inference"

    def training_step(self, x: Array, labels: Array, weights: Weights) -> Trained:
        """Return the gradients of the document's loss, in eval mode; a module has no loss and no optimiser of its own."""
        return train(self._body, self._loss, self._tensor(x), labels, weights)

    def _set(self, described: Any, weights: Weights) -> Iterator[tuple[str, Any]]:
        parts = weights.get(described.step.name, {})
        if parts and described.step.params and not described.places:
            raise NotCheckable(f"the weights of {described.step.name} cannot be set: they do not show")
        for part, value in parts.items():
            if part in described.places:  # a port without bias has no place for one, and shall be seen to have none
                place = described.places[part]
                yield place.path, place.written(value, attribute(self._body.root, place.path))

    def _tensor(self, x: Array) -> Any:
        return torch.from_numpy(np.array(x)).to(self._device, self._dtype)  # a copy: steps may work in place


def read_torch_file(path: Path, architecture: Architecture) -> TorchPort:
    """Return the port in a file: an exported program. InvalidInput for weights alone, which do not say what becomes of them."""
    if not torch_files.is_program(path):
        count = len(torch_files.read_state_dict(path))
        raise InvalidInput(
            "holds weights, and no network",
            where=str(path),
            expected="an exported program, written by torch.export.save",
            received=f"{count} tensors",
            hint="Name the module that has these weights: package.module:attribute",
        )
    return TorchPort(torch_files.read_program(path), architecture, name=path.name)


def _forms(architecture: Architecture) -> Iterator[tuple[int, ...]]:
    """Yield the forms of an image, without the batch: (C, H, W), (H, W, C), (H, W) of one channel, flat."""
    h, w, c = architecture.input_shape
    yield from dict.fromkeys(
        [channels_first((h, w, c)), (h, w, c), *([(h, w)] if c == 1 else []), architecture.fed_shape, (h * w * c,)]
    )


def _exported_form(program: Any) -> tuple[tuple[int, ...], str]:
    names = program.graph_signature.user_inputs
    node = next(node for node in program.graph.nodes if node.name in names)
    shape = tuple(int(n) for n in node.meta["val"].shape[1:])
    return shape, _words(shape)


def _words(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, ('N', *shape)))})"


def _array(y: Any) -> Array:
    y = y.detach().to("cpu")
    array: Array = (y.float() if y.dtype == torch.bfloat16 else y).numpy()  # NumPy has no bfloat16; float32 holds its values
    return np.array(array)
