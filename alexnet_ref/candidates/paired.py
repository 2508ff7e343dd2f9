"""A port seen as the document's network: its steps paired with the layers, its axes and feature orders turned into ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.candidates import layout
from alexnet_ref.candidates.candidate import Fact
from alexnet_ref.candidates.pairing import Block, pair
from alexnet_ref.candidates.step import Array, NotCheckable, Port, Step, Weights
from alexnet_ref.candidates.trained import TrainedNetwork, Trains
from reference import (
    Architecture,
    Conv,
    Dense,
    Dropout,
    Flatten,
    InvalidInput,
    Layer,
    MaxPool,
    Params,
    ReLU,
    Softmax,
    layer_shapes,
)
from reference.padding import pad_widths
from reference.shapes import layer_inputs


class PairedCandidate:
    """A port, asked in the document's words. `architecture` is the document's network as this port cuts it (`pairing`)."""

    def __init__(self, port: Port, architecture: Architecture, names: Mapping[str, str] | None = None) -> None:
        """Pair the port's steps with the layers; names: {document's layer: step that ends it}, where order does not tell."""
        self.port, self.name = port, port.name
        self.steps: Sequence[Step] = port.steps()
        self.pairing = pair(architecture, self.steps, names)
        self.architecture = self.pairing.architecture
        self._shapes, self._inputs = layer_shapes(self.architecture), layer_inputs(self.architecture)
        # The layer that can be seen at the end of a block is its last.
        self._blocks = {block.layers[-1]: block for block in self.pairing.blocks if block.layers}
        self.hidden: Mapping[str, str] = self._hidden()

    def _hidden(self) -> dict[str, str]:
        hidden = {}
        for block in self.pairing.blocks:
            for name in block.layers[:-1]:
                hidden[name] = f"the port computes it in one step with {', '.join(block.layers[block.layers.index(name) + 1 :])}"
            if block.last < block.first and self.needless(self.architecture[block.layers[0]]):
                hidden[block.layers[0]] = "the port has no step for it, and needs none for inference"
        return hidden

    def needless(self, layer: Layer) -> bool:
        """Tell whether a port may do without the layer: what is nothing at inference, if it does not train."""
        return isinstance(layer, Flatten) or (isinstance(layer, Dropout) and not self.port.trains)

    def environment(self) -> dict[str, Any]:
        """Return the framework's versions, devices and settings."""
        return self.port.environment()

    def facts(self) -> list[Fact]:
        """Return what the port says of each layer, in its order; a step that is no layer's stands under its own name."""
        facts: list[Fact] = []
        for block in self.pairing.blocks:
            run = self.steps[block.first : block.last + 1]
            if not block.layers:
                facts.extend(
                    Fact(name=_own(step), output_shape=step.output_shape, params=step.params, layer=None) for step in run
                )
            elif run:
                facts.append(self._fact(block, run))
        return facts

    def _fact(self, block: Block, run: Sequence[Step]) -> Fact:
        name, shape = block.layers[-1], run[-1].output_shape
        documented = self._shapes[name]
        if shape is not None:  # as the document counts its axes
            empty = np.empty((0, *shape))
            shape = layout.to_documented(empty, documented, preferred=self.port.channels_first).shape[1:]
        return Fact(
            name=name,
            output_shape=shape,
            # What several layers with weights have together says nothing of the one that shows.
            params=None
            if sum(isinstance(self.architecture[layer], (Conv, Dense)) for layer in block.layers) > 1
            or any(step.params is None for step in run)
            else sum(step.params or 0 for step in run),
            layer=_described(run, self._inputs[name]) if len(block.layers) == 1 else None,
            zero_padded=any(step.means == "pad" and not step.pool_pads for step in run),
            steps=tuple(f"{step.kind} {step.name}" for step in run),
        )

    def params(self, architecture: Architecture) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return the port's weights as the oracle's params; NotCheckable where it shows none."""
        del architecture  # self.architecture has the same parameters
        weights = self.port.weights()
        for block in self.pairing.blocks:
            own = [name for name in block.layers if isinstance(self.architecture[name], (Conv, Dense))]
            run = self.steps[block.first : block.last + 1]
            if len(block.layers) > 1 and own and any(step.params and step.name not in weights for step in run):
                raise NotCheckable(
                    f"the port computes {', '.join(block.layers)} in one step: whose its weights are does not show"
                )
        return self.as_params(weights)

    def as_params(self, weights: Weights, *, whole: bool = True) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return {step: parts} as {layer: parts}, rows in the document's order; whole: a bias that a step lacks is 0."""
        params: dict[str, dict[str, NDArray[np.float32]]] = {}
        for name, block in self._blocks.items():
            parts = {k: v for step in self.steps[block.first : block.last + 1] for k, v in weights.get(step.name, {}).items()}
            if not parts:
                continue
            layer = self.architecture[name]
            if whole and isinstance(layer, (Conv, Dense)) and "kernel" in parts:
                parts.setdefault("bias", np.zeros(parts["kernel"].shape[-1], np.float32))
            image = self._flattened(name)
            if image and "kernel" in parts and parts["kernel"].shape[0] == math.prod(image):
                parts["kernel"] = np.ascontiguousarray(
                    np.moveaxis(parts["kernel"].reshape(*layout.channels_first(image), -1), 0, -2)
                ).reshape(parts["kernel"].shape)
            params[name] = parts
        return params

    def outputs(self, x: Array) -> dict[str, Array]:
        """Return the inference output of every layer that can be seen, and of steps of no layer, for x (N, H, W, C)."""
        return self.by_layer(self.port.outputs(self.fed(x)))

    def fed(self, x: Array) -> Array:
        """Return images (N, H, W, C) as the port takes them."""
        return layout.to_port(x, self.port.input_shape, preferred=self.port.channels_first)

    def by_layer(self, found: Sequence[Array]) -> dict[str, Array]:
        """Return what every step gave, in the port's axes, by layer and in the document's; steps of no layer under their own."""
        outputs: dict[str, Array] = {}
        for block in self.pairing.blocks:
            if not block.layers:  # steps of no layer, under their own names
                for step in range(block.first, block.last + 1):
                    turned = self.port.channels_first and found[step].ndim == 4
                    outputs[_own(self.steps[step])] = np.moveaxis(found[step], 1, -1) if turned else found[step]
            elif block.last >= block.first:
                outputs[block.layers[-1]] = self._documented(block.layers[-1], found[block.last])
        return outputs

    def layer(self, name: str, x: Array, params: Mapping[str, Array] | None = None, *, training: bool = False) -> Array:
        """Return one layer's output for x (N, …); NotCheckable where the port does not compute it by itself."""
        block = self._block(name)
        if len(block.layers) > 1:
            raise NotCheckable(f"the port computes it in one step with {', '.join(block.layers[:-1])}")
        image = self._flattened(name)
        if image:
            x = layout.flattened_channels_first(x, image)
        before = self.port.input_shape if block.first == 0 else self.steps[block.first - 1].output_shape
        x = layout.to_port(x, before, preferred=self.port.channels_first)
        weights = self._weights(block, image, params or {})
        return self._documented(name, self.port.run(block.first, block.last, x, weights, training=training))

    def untrainable(self) -> str:
        """Return why the port cannot be trained; "" where it can."""
        if not isinstance(self.port, Trains):
            return "the port shows no training"
        unset = next((name for name, layer in self.hidden.items() if isinstance(self.architecture[name], (Conv, Dense))), None)
        return self.port.untrainable() or (f"{unset}: {self.hidden[unset]}" if unset else "")

    def training_step(self, x: Array, labels: Array, params: Params) -> TrainedNetwork:
        """Train on one batch from these params (`Trains`); NotCheckable where it cannot be done."""
        if (why := self.untrainable()) or not isinstance(self.port, Trains):
            raise NotCheckable(why)
        weights: dict[str, Mapping[str, Array]] = {}
        for name, parts in params.items():
            weights.update(self._weights(self._block(name), self._flattened(name), parts))
        found = self.port.training_step(self.fed(x), labels, weights)
        # Steps before everything that is trained have no gradient.
        none = [y if dy is None else dy for y, dy in zip(found.outputs, found.output_gradients, strict=True)]
        known = self.by_layer([np.full(y.shape, dy is not None) for y, dy in zip(none, found.output_gradients, strict=True)])
        return TrainedNetwork(
            outputs=self.by_layer(found.outputs),
            output_gradients={name: dy for name, dy in self.by_layer(none).items() if known[name].all()},
            gradients=self.as_params(found.gradients, whole=False),
            logits=found.logits,
            loss=found.loss,
            weights=tuple(self.as_params(after, whole=False) for after in found.weights),
            why=found.why,
        )

    def _block(self, name: str) -> Block:
        block = self._blocks.get(name)
        if block is None or block.last < block.first:
            raise NotCheckable(self.hidden.get(name, "the candidate has no such layer"))
        return block

    def _weights(self, block: Block, image: tuple[int, ...] | None, params: Mapping[str, Array]) -> Weights:
        """Return the params for the steps that take them: those with weights, the kernel's first."""
        run = self.steps[block.first : block.last + 1]
        taking = [step for step in run if step.params]
        if params and any(step.params is None for step in run):
            raise NotCheckable("the port does not show which weights it takes")
        if not params or not taking:
            return {}
        if image:
            kernel = params["kernel"].reshape(*image, -1)
            params = {**params, "kernel": np.ascontiguousarray(np.moveaxis(kernel, 2, 0)).reshape(params["kernel"].shape)}
        first, *others = taking
        if any(step.means == "bias" for step in others):
            bias = next(step.name for step in others if step.means == "bias")
            return {first.name: {"kernel": params["kernel"]}, bias: {"bias": params["bias"]}}
        unknown = [step.name for step in others if step.means is None]
        if unknown and sum(step.params or 0 for step in taking) == sum(value.size for value in params.values()):
            raise NotCheckable(f"the port does not show what the weights of {unknown[0]} are: a bias, maybe")
        return {first.name: dict(params)}

    def _flattened(self, name: str) -> tuple[int, ...] | None:
        """Return (H, W, C) if this layer's features are such an image flattened with its channels first, else None."""
        layers = list(self.architecture.layers)
        i = layers.index(self.architecture[name])
        while i > 0 and isinstance(layers[i - 1], (Dropout, ReLU)):
            i -= 1
        flatten = layers[i - 1] if i else None
        return self._order_of(flatten) if isinstance(flatten, Flatten) else None

    def _order_of(self, flatten: Layer) -> tuple[int, ...] | None:
        """Return the flattened (H, W, C) if the port flattens it with its channels first: the tensor before it tells."""
        image = self._inputs[flatten.name]
        before = self._first_step(flatten.name) - 1
        shape = self.steps[before].output_shape if before >= 0 else None
        preferred = self.port.channels_first
        turned = len(image) == 3 and layout.is_channels_first(shape, image, preferred=preferred)
        # A transposition among the flatten's own steps has turned it back.
        block = self._blocks.get(flatten.name)
        own = self.steps[block.first : block.last + 1] if block else ()
        return image if turned and not any(step.means == "transpose" for step in own) else None

    def _first_step(self, name: str) -> int:
        """Return the step that follows everything before this layer."""
        for block in self.pairing.blocks:
            if name in block.layers:
                return block.first
        raise InvalidInput("no such layer", received=name)

    def _documented(self, name: str, y: Array) -> Array:
        documented = self._shapes[name]
        layer = self.architecture[name]
        image = self._order_of(layer) if isinstance(layer, Flatten) else self._flattened(name)
        if image and not isinstance(layer, Dense) and y.shape[1:] == (math.prod(image),):
            return layout.flattened_channels_last(y, image)
        return layout.to_documented(y, documented, preferred=self.port.channels_first)


def _own(step: Step) -> str:
    """Return a name that no layer has, for a step that belongs to none."""
    return f"step {step.name}"


def _described(run: Sequence[Step], shape: tuple[int, ...]) -> Layer | None:
    """Return the run of steps as one layer of the vocabulary; None where no word describes it."""
    if any(step.means is None for step in run):
        return None
    layers = [step.means for step in run if not isinstance(step.means, (str, type(None)))]
    if not layers:
        return Flatten(name=run[-1].name) if any(step.means == "reshape" for step in run) else None
    layer, *behind = layers
    # Zeros for a convolution, the lowest numbers for a maximum.
    pads = [step.pads if step.pool_pads == isinstance(layer, MaxPool) else None for step in run if step.means == "pad"]
    if pads:
        layer_ = _padded(layer, pads, shape)
        if layer_ is None:
            return None
        layer = layer_
    if behind:
        activation = {ReLU: "relu", Softmax: "softmax"}.get(type(behind[0]))
        if not isinstance(layer, (Conv, Dense)) or layer.activation is not None or activation is None or len(behind) > 1:
            return None
        return replace(layer, activation=activation)  # type: ignore[arg-type]  # a word of the vocabulary
    return layer


def _padded(layer: Layer, pads: Sequence[Any], shape: tuple[int, ...]) -> Layer | None:
    """Return a window behind explicit padding as SAME, if that is what it comes to."""
    if not isinstance(layer, (Conv, MaxPool)) or len(pads) != 1 or pads[0] is None or len(shape) != 3:
        return None
    window = layer.kernel_size if isinstance(layer, Conv) else layer.pool_size
    axes = list(zip(shape[:2], window, layer.strides, pads[0], strict=True))
    if any(pad_widths(n + sum(pad), k, s, layer.padding) != (0, 0) for n, k, s, pad in axes):
        return None  # it pads once more itself
    return replace(layer, padding="SAME") if all(pad_widths(n, k, s, "SAME") == pad for n, k, s, pad in axes) else None
