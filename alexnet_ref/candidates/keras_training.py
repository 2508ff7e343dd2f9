"""One batch through a compiled Keras model, and its optimiser's steps. Imports TensorFlow: import it late."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from alexnet_ref.candidates.step import Array, NotCheckable
from alexnet_ref.candidates.trained import FACTORS, Trained

Parts = Mapping[str, Mapping[str, Any]]  # {step: {"kernel": keras.Variable, "bias": keras.Variable}}


def untrainable(model: Any) -> str:
    """Return why the model cannot be trained as `fit` would; "" where it can."""
    if not getattr(model, "compiled", False):
        return "the model is not compiled: it has no loss and no optimiser"
    if type(model).train_step is not keras.Model.train_step:
        return "the model has a train_step of its own, which shows no gradients"
    if getattr(model, "_compile_loss", None) is None and not model.losses:
        return "the model is compiled without a loss"
    # What is scaled for float16 is scaled back within the optimiser.
    if hasattr(model.optimizer, "inner_optimizer") or getattr(model.optimizer, "loss_scale_factor", None) is not None:
        return "its optimiser scales the loss"
    return ""


def train(
    model: Any,
    x: Array,
    labels: Array,
    *,
    forward: Callable[[Any], list[Any]],
    parts: Parts,
    changes: Sequence[tuple[Any, Array]],
    executed: Callable[[Any], Any],
) -> Trained:
    """Return what one batch shows. forward: x → every step's inference output; changes: (variable, its value for this call).

    executed: what makes a function of TensorFlow's out of one of Python's, or leaves it as it is.

    The loss is the one that the model is compiled with, regularisers included; the optimiser a new one from its own config, so
    that the model's own remembers nothing of it. Every variable is put back.
    """
    optimizer = _copy(model.optimizer)
    with _restored(model, [variable for variable, _ in changes]):
        for variable, value in changes:
            variable.assign(value)
        trainable = list(model.trainable_variables)
        has_logits: list[bool] = []

        def taped(x: Any, labels: Any) -> Any:
            with tf.GradientTape() as tape:
                outputs = forward(x)
                loss = model.compute_loss(x=x, y=labels, y_pred=outputs[-1], sample_weight=None)
            logits = getattr(outputs[-1], "_keras_logits", None)  # where Keras takes the loss from: see reference.losses
            has_logits[:] = [logits is not None]
            shown = outputs if logits is None else [*outputs[:-1], logits]
            douts, gradients = tape.gradient(loss, (shown, [variable.value for variable in trainable]))
            return loss, shown, douts, gradients

        loss, outputs, douts, gradients = executed(taped)(tf.constant(x), tf.constant(labels))
        if np.ndim(loss) != 0:
            raise ValueError(f"the loss is no number: its shape is {np.shape(loss)}")
        found = {id(v): g for v, g in zip(trainable, gradients, strict=True) if g is not None}
        stepped = [variable for variable in trainable if id(variable) in found]
        weights = []
        for factor in FACTORS:
            optimizer.apply([tf.convert_to_tensor(found[id(variable)]) * factor for variable in stepped], stepped)
            weights.append({step: {part: _numbers(v) for part, v in own.items()} for step, own in parts.items() if own})
        return Trained(
            outputs=[_numbers(y) for y in outputs],
            output_gradients=[None if dy is None else _numbers(dy) for dy in douts],
            gradients={
                step: {part: _numbers(tf.convert_to_tensor(found[id(v)])) for part, v in own.items() if id(v) in found}
                for step, own in parts.items()
            },
            logits=has_logits == [True],
            loss=float(loss),
            weights=tuple(weights),
        )


def _copy(optimizer: Any) -> Any:
    """Return the optimiser as it was before its first step."""
    try:
        return type(optimizer).from_config(optimizer.get_config())
    except Exception as error:  # a class of the user's own may raise anything
        raise NotCheckable(f"its optimiser cannot be made anew: {type(error).__name__}") from error


@contextlib.contextmanager
def _restored(model: Any, others: Sequence[Any]) -> Iterator[None]:
    """Put back, to the bit, every variable of the model, and what its loss learnt of the labels' form."""
    variables = {id(v): v for v in [*model.variables, *others]}
    own = {key: v.value.read_value() for key, v in variables.items()}  # shared, until the variable is assigned to
    loss = getattr(model, "_compile_loss", None)
    memory = dict(vars(loss)) if loss is not None else {}
    try:
        yield
    finally:
        for key, value in own.items():
            variables[key].assign(value)
        if loss is not None:
            vars(loss).clear()
            vars(loss).update(memory)


def _numbers(tensor: Any) -> Array:
    array: Array = tensor.numpy()  # a copy already
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array  # NumPy has none; float32 holds its values
