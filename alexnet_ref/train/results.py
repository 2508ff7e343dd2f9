"""What a finished run leaves: test results, pictures, the model for Keras and for the oracle, metrics.json last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_ref.train import pictures
from alexnet_ref.train.events import Notice
from alexnet_ref.train.files import replacing
from alexnet_ref.train.history import write_metrics
from alexnet_ref.train.published import published_epochs, published_test
from alexnet_ref.train.schedule import TEST_BATCH, TEST_DIGITS
from reference import LRN

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from alexnet_ref.train.loop import Evaluation
    from alexnet_ref.train.run import Run
    from reference import Architecture
    from reference.params import Params


def write_results(run: Run, folder: Path, origin: str) -> dict[str, Any]:
    """Evaluate on the test set, write everything but the history, and return what metrics.json holds."""
    run.tell(Notice("evaluating on the test set"))
    test, documented = _test(run)
    metrics: dict[str, Any] = {
        "architecture": run.architecture.name,
        "without_lrn": not any(isinstance(layer, LRN) for layer in run.architecture.layers),
        "data": origin,
        "configuration": run.configuration,
        "steps": run.done,
        "epochs": run.done / run.schedule.steps_per_epoch,
        "seconds": run.seconds,
        "test": documented,
        "test_all": {"digits": len(test.outputs), "loss": test.loss, "accuracy": test.accuracy},
        "published": {"epochs": published_epochs(run.architecture.name), "test": published_test(run.architecture.name)},
        "history": run.history.rows,
        "environment": run.environment,
    }
    labels = as_digits(run.prepared.y_test)
    logs = log_probabilities(run.architecture, test.outputs)
    images = run.prepared.x_test.raw
    pictures.draw_all(folder, run.architecture, run.history, images=images, labels=labels, logs=logs)
    write_params(folder / "params.npz", run.trainer.params())
    write_model(folder / "model.keras", run.architecture, run.trainer.params())
    write_metrics(folder / "metrics.json", metrics)
    return metrics


def _test(run: Run) -> tuple[Evaluation, dict[str, Any]]:
    """Evaluate all test digits, and say what the document would print of them.

    keras_sequential: "model.evaluate(x_test, y_test)", batches of 32. tf1_graph: the first 256 with keep_prob 1, in one batch.
    """
    x, y = run.prepared.x_test, run.prepared.y_test
    if not run.schedule.continuous:
        test = run.trainer.evaluate(x, y, TEST_BATCH)
        steps = -(-len(x) // TEST_BATCH)
        return test, {"digits": len(x), "steps": steps, "loss": test.loss, "accuracy": test.accuracy}
    first = run.trainer.evaluate(x[:TEST_DIGITS], y[:TEST_DIGITS], TEST_DIGITS)
    documented = {"digits": len(first.outputs), "steps": 1, "loss": first.loss, "accuracy": first.accuracy}
    return run.trainer.evaluate(x, y, TEST_DIGITS), documented


def as_digits(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return labels (N,) whether they are digits or one-hot."""
    return (labels if labels.ndim == 1 else labels.argmax(axis=-1)).astype(np.int64)


def log_probabilities(architecture: Architecture, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return ln p (N, 10) whether the network ends in probabilities or in logits.

    In logarithms, because tf1_graph's logits are thousands apart: as probabilities they would all be 0 or 1.
    """
    z = outputs.astype(np.float64)  # (N, 10)
    if architecture.recipe.loss == "sparse_categorical_crossentropy":
        return np.log(np.maximum(z, np.finfo(np.float32).smallest_subnormal))  # float32 knows nothing smaller but 0
    z = z - z.max(axis=-1, keepdims=True)  # (N, 10), at most 0
    t: NDArray[np.float64] = z - z.max(axis=-1, keepdims=True)  # (N, 10), at most 0
    log_sum: NDArray[np.float64] = np.log(np.exp(t).sum(axis=-1, keepdims=True))  # (N, 1)
    return t - log_sum


def write_params(path: Path, params: Params) -> None:
    """Write the oracle's params as an .npz of arrays called "layer/part", atomically."""
    arrays: dict[str, Any] = {f"{layer}/{part}": array for layer, parts in params.items() for part, array in parts.items()}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def write_model(path: Path, architecture: Architecture, params: Params) -> None:
    """Write a .keras file that loads in safe mode, atomically: the network alone, because the checkpoint holds Adam's slots."""
    from alexnet_ref.models import build_model

    model = build_model(architecture, params)
    with replacing(path) as temporary:
        model.save(temporary)
