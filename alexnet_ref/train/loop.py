"""A network in training: one own step, which Keras's `fit` cannot replace, because it cannot resume to the bit.

TensorFlow is imported inside the functions that need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alexnet_ref.models import build_model, compile_model
from alexnet_ref.train.distribution import Distribution, distribute
from alexnet_ref.train.schedule import dropout_seeds
from alexnet_ref.weights import get_params
from reference import Dropout, InvalidInput, init_params

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from reference import Architecture

    Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """A set of digits seen without dropout: mean loss and accuracy, every output (N, 10), the dead share of each ReLU layer."""

    loss: float
    accuracy: float
    outputs: NDArray[np.float32]
    dead: dict[str, float]


class Stepped(NamedTuple):
    """One training step: the batch's mean loss with dropout, how many digits were right, whether a worker was asked to stop."""

    loss: float
    correct: int
    stop: bool


class Trainer:
    """The model, its optimiser, and the two compiled functions: a training step and an evaluation step.

    Distributed, all replicas hold the same weights and slots and make each training step together; evaluation needs one alone.
    """

    def __init__(self, architecture: Architecture, seed: int, distribution: Distribution | None = None) -> None:
        """Build the network from the oracle's initial params of this seed."""
        self.architecture, self.seed = architecture, seed
        self.distribution = distribute() if distribution is None else distribution
        self.dropouts = [layer.name for layer in architecture.layers if isinstance(layer, Dropout)]
        self.relus = relu_layers(architecture)
        with self.distribution.strategy.scope():
            self.model = compile_model(build_model(architecture, init_params(architecture, seed)), architecture)
            self.model.optimizer.build(self.model.trainable_variables)
        self._train, self._evaluate = self._compiled()

    def step(self, x: NDArray[Any], y: NDArray[Any], step: int, *, stop: bool = False) -> Stepped:
        """Train on one batch, of which x and y are this worker's share; what is returned is of the whole batch.

        `step` is counted from 0. stop: this worker was asked to; all learn it in this step. InvalidInput, naming the step
        (counted from 1) and the first layer concerned, if anything was not a finite number. WorkerLostError: another worker did
        not take part, and weights and slots are as they were before the step.
        """
        images = x.reshape(len(x), *self.architecture.input_shape)
        seeds = dropout_seeds(self.seed, step, len(self.dropouts))
        with self.distribution.together():
            totals, finite = (array.numpy() for array in self._train(images, y, seeds, stop))
        loss, correct, stops, *whole = totals
        finite = np.concatenate([np.equal(whole, self.distribution.replicas), finite])
        if not finite.all():
            raise not_finite(self._places, finite, step)
        return Stepped(loss=float(loss), correct=int(correct), stop=bool(stops))

    @property
    def steps(self) -> int:
        """How many steps the optimiser has made."""
        return int(self.model.optimizer.iterations.numpy())

    def evaluate(self, x: Any, y: NDArray[Any], batch_size: int) -> Evaluation:
        """Return what the network makes of the digits, without dropout, in batches; the last may be smaller."""
        losses, correct = 0.0, 0
        outputs: list[NDArray[np.float32]] = []
        largest: Arrays = {}
        for start in range(0, len(x), batch_size):
            batch = slice(start, min(start + batch_size, len(x)))
            images, labels = x[batch], y[batch]
            loss, right, result, peaks = self._evaluate(images.reshape(len(images), *self.architecture.input_shape), labels)
            losses += float(loss) * len(images)
            correct += int(right)
            outputs.append(result.numpy())
            for name, peak in zip(self.relus, peaks, strict=True):
                largest[name] = np.maximum(largest.get(name, 0), peak.numpy())  # (units,)
        dead = {name: float((peak <= 0).mean()) for name, peak in largest.items()}
        return Evaluation(loss=losses / len(x), accuracy=correct / len(x), outputs=np.concatenate(outputs), dead=dead)

    def params(self) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return the weights as the oracle's params."""
        return get_params(self.model, self.architecture)

    def state(self) -> Arrays:
        """Return every number that training changes: the weights, and Adam's slots and iteration."""
        return {name: np.array(variable.numpy()) for name, variable in self._variables().items()}

    def restore(self, state: Arrays) -> None:
        """Put back what `state` returned."""
        for name, variable in self._variables().items():
            variable.assign(state[name])

    def _variables(self) -> dict[str, Any]:
        """Every variable by a name that does not depend on what else this process has built ("adam_1")."""
        weights = {f"weights/{v.path.partition('/')[2]}": v for v in self.model.trainable_variables}
        return {**weights, **{f"adam/{v.path.partition('/')[2]}": v for v in self.model.optimizer.variables}}

    @property
    def _places(self) -> list[str]:
        """What the flags of a training step mean: outputs, the loss, the gradients from the last layer back, the new weights."""
        names = [v.path.partition("/")[2] for v in self.model.trainable_variables]
        outputs = [f"the output of {layer.name}" for layer in self.architecture.layers]
        gradients = [f"the gradient of {name}" for name in reversed(names)]
        return [*outputs, "the loss", *gradients, *(f"{name} after the update" for name in names)]

    def forward(self, x: Any, seeds: Any = None) -> dict[str, Any]:
        """Return every layer's output; with stateless seeds (dropout layers, 2) dropout is at work, as in training.

        Each replica draws the masks of the whole batch and takes its part: a digit meets the same mask on any number of them.
        """
        import tensorflow as tf

        outputs = {}
        for layer in self.model.layers:
            if seeds is not None and layer.name in self.dropouts:
                described = self.architecture[layer.name]
                assert isinstance(described, Dropout)  # noqa: S101 - for the type checker: `dropouts` holds no other
                shape = tf.concat([tf.shape(x)[:1] * self.distribution.replicas, tf.shape(x)[1:]], axis=0)
                mask = kept(shape, seeds[self.dropouts.index(layer.name)], described)
                x = tf.where(self.distribution.own_of_all(mask), x / described.keep_prob, 0.0)
            else:
                x = layer(x)
            outputs[layer.name] = x
        return outputs

    def _compiled(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        import tensorflow as tf

        model, distribution = self.model, self.distribution
        sparse = self.architecture.recipe.loss == "sparse_categorical_crossentropy"
        # One signature for every batch, so that a smaller last one does not trace the network anew.
        x_spec = tf.TensorSpec((None, *self.architecture.input_shape), tf.float32)
        y_spec = tf.TensorSpec((None,), tf.uint8) if sparse else tf.TensorSpec((None, 10), tf.float32)

        def score(y: Any, result: Any) -> tuple[Any, Any]:
            """Return each digit's loss (N,), and how many digits are right."""
            digits = tf.cast(y, tf.int64) if sparse else tf.argmax(y, axis=-1)  # (N,)
            right = tf.argmax(result, axis=-1) == digits
            return model.loss.call(y, result), tf.reduce_sum(tf.cast(right, tf.float32))  # exact up to 2**24 digits

        def finite(arrays: list[Any]) -> Any:
            return tf.stack([tf.reduce_all(tf.math.is_finite(array)) for array in arrays])

        def replica(x: Any, y: Any, seeds: Any, stop: Any) -> tuple[Any, Any]:
            x, y = distribution.own(x), distribution.own(y)
            with tf.GradientTape() as tape:
                outputs = list(self.forward(x, seeds).values())
                losses, right = score(y, outputs[-1])
                loss = tf.reduce_sum(losses) / tf.cast(tf.shape(x)[0] * distribution.replicas, tf.float32)
            gradients = tape.gradient(loss, model.trainable_variables)
            # Everything, because max pooling and TensorFlow's fused ReLUs drop NaN: what follows may be finite. It takes 6 to
            # 8 % of the processor time of a step on a CPU.
            first = tf.cast(finite([*outputs, loss]), tf.float32)
            stops = tf.cast(stop, tf.float32) / (distribution.replicas // distribution.workers)
            totals, *gradients = distribution.add_up([tf.concat([[loss, right, stops], first], 0), *gradients])
            # No variable changes before every sum is there: where a worker is lost, none has changed.
            with tf.control_dependencies([totals, *gradients]):
                tf.distribute.get_replica_context().merge_call(update, args=(gradients,))
            return totals, finite([*gradients[::-1], *model.trainable_variables])

        def update(strategy: Any, gradients: list[Any]) -> None:
            """Update as Keras's `apply` does, but for its own sum over the replicas, which would be a second one."""
            optimizer = model.optimizer
            for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
                strategy.extended.update(
                    variable.value,
                    lambda own, g: optimizer.update_step(g, own, optimizer.learning_rate),
                    args=(gradient,),
                    group=False,
                )
            optimizer.iterations.assign_add(1)

        seeds_spec = tf.TensorSpec((len(self.dropouts), 2), tf.int64)

        @tf.function(input_signature=[x_spec, y_spec, seeds_spec, tf.TensorSpec((), tf.bool)])  # type: ignore[untyped-decorator]  # TensorFlow is untyped
        def train(x: Any, y: Any, seeds: Any, stop: Any) -> tuple[Any, ...]:
            results = distribution.strategy.run(replica, args=(x, y, seeds, stop))
            return tuple(distribution.strategy.experimental_local_results(result)[0] for result in results)  # all are the same

        @tf.function(input_signature=[x_spec, y_spec])  # type: ignore[untyped-decorator]  # TensorFlow is untyped
        def evaluate(x: Any, y: Any) -> tuple[Any, Any, Any, list[Any]]:
            outputs = self.forward(x)
            result = outputs[model.layers[-1].name]
            losses, right = score(y, result)
            relus = [outputs[name] for name in self.relus]  # (N, H, W, C) or (N, units)
            peaks = [tf.reduce_max(relu, axis=range(relu.shape.rank - 1)) for relu in relus]
            return tf.reduce_sum(losses) / tf.cast(tf.shape(x)[0], tf.float32), right, result, peaks

        return train, evaluate


def kept(shape: Any, seed: Any, layer: Dropout) -> Any:
    """Return the dropout mask, True where kept, with probability 1 − rate; the seed (2,) and the shape alone decide it.

    Philox by name, because it gives the same numbers on every device; "auto" would not.
    """
    import tensorflow as tf

    return tf.random.stateless_uniform(shape, seed, alg="philox") >= layer.rate  # uniform in [0, 1)


def relu_layers(architecture: Architecture) -> list[str]:
    """Return the layers that end in a ReLU, the units that can die: filters of a convolution, neurons of a dense layer."""
    from reference import ReLU

    return [v.name for v in architecture.layers if isinstance(v, ReLU) or getattr(v, "activation", None) == "relu"]


def not_finite(places: list[str], finite: NDArray[np.bool_], step: int) -> InvalidInput:
    """Return the error that names the step, counted from 1, and the first place in the order of computation."""
    return InvalidInput(
        f"training has diverged: {places[int(np.argmin(finite))]} is not finite",
        where=f"step {step + 1}",
        expected="finite numbers",
        received="NaN or infinity",
        hint="The last checkpoint is from before. Check the data, or train with another --seed",
    )
