"""How the documents train: batches, steps, losses, learning rates."""

from __future__ import annotations

import math
from functools import partial

from alexnet_ref.claims.claim import (
    Evidence,
    Finding,
    Quotes,
    contradicted_claim,
    corrected,
    holds_if,
    keras_claim,
    read,
    read_ints,
    tf1_claim,
)
from alexnet_ref.mnist.parts import X_TEST, X_TRAIN

EVALUATE_BATCH = 32  # Keras's default in evaluate, where the document names none


def train_count(evidence: Evidence) -> int:
    """Return the number of training digits: the files' own, or the published where there is but a sample."""
    return len(evidence.mnist.train_images) if evidence.mnist.complete else X_TRAIN.most


def decide_steps(quotes: Quotes, evidence: Evidence, held_out: int = 2000) -> Finding:
    """Decide whether so many steps make an epoch."""
    done, of = read_ints(r"(\d+)/(\d+) \[", quotes[0])
    left, batch = train_count(evidence) - held_out, evidence.architecture.recipe.batch_size
    return holds_if(
        math.ceil(left / batch) == done == of, f"{left:,} digits in batches of {batch}: {math.ceil(left / batch):,} steps"
    )


def decide_test_steps(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether so many steps make an evaluation."""
    done, of = read_ints(r"(\d+)/(\d+) \[", quotes[0])
    count = len(evidence.mnist.test_images) if evidence.mnist.complete else X_TEST.most
    steps = math.ceil(count / EVALUATE_BATCH)
    return holds_if(steps == done == of, f"{count:,} digits in batches of {EVALUATE_BATCH}: {steps} steps")


def decide_loop(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the number that ends the loop counts its iterations."""
    (said,) = read_ints(r"training_iters = (\d+)", quotes[0])
    batch, step = evidence.architecture.recipe.batch_size, 1
    while step * batch < said:  # the document's own loop
        step += 1
    steps = step - 1
    if said - steps <= 1:  # "<" stops one short of it
        return holds_if(True, f"{steps:,} iterations")
    return corrected(f"{steps:,} iterations: the loop counts samples, and makes {steps * batch:,} of them")


def decide_recipe(quotes: Quotes, evidence: Evidence, field: str, pattern: str) -> Finding:
    """Decide whether the recipe has this number, or this word, in this place."""
    (said,) = read(pattern, quotes[0])
    found = getattr(evidence.architecture.recipe, field)
    return holds_if(type(found)(said) == found, f"{field} {found}")


_PARAMETERS = "# Parameters"
CLAIMS = (
    keras_claim(id="steps_per_epoch", place="Epoch 1/40", quotes=("907/907 [====",), decide=decide_steps),
    keras_claim(id="test_steps", place="model.evaluate", quotes=("313/313 [====",), decide=decide_test_steps),
    keras_claim(
        id="keras_batch_size",
        place="model.compile",
        quotes=("batch_size=64",),
        decide=partial(decide_recipe, field="batch_size", pattern=r"batch_size=(\d+)"),
    ),
    keras_claim(
        id="keras_loss",
        place="model.compile",
        quotes=("loss=losses.sparse_categorical_crossentropy",),
        decide=partial(decide_recipe, field="loss", pattern=r"loss=losses\.(\w+)"),
    ),
    contradicted_claim("iterations_are_samples", place="# Keep training until reach max iterations", decide=decide_loop),
    tf1_claim(
        id="learning_rate",
        place=_PARAMETERS,
        quotes=("learning_rate = 0.001",),
        decide=partial(decide_recipe, field="learning_rate", pattern=r"learning_rate = ([\d.]+)"),
    ),
    tf1_claim(
        id="batch_size",
        place=_PARAMETERS,
        quotes=("batch_size = 64",),
        decide=partial(decide_recipe, field="batch_size", pattern=r"batch_size = (\d+)"),
    ),
    tf1_claim(
        id="tf1_loss",
        place="# Define loss and optimizer",
        quotes=("cost = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(pred, y))",),
        decide=partial(decide_recipe, field="loss", pattern=r"tf\.nn\.(\w+)\("),
    ),
)
