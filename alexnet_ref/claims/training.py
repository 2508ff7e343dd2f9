"""What takes a training run to decide: the published accuracies again, and what the documents say of a training's course."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial

from alexnet_ref.claims.claim import (
    Evidence,
    Finding,
    Quotes,
    corrected,
    holds_if,
    keras_claim,
    not_checkable,
    read,
    read_ints,
    tf1_claim,
)
from alexnet_ref.claims.published import EPOCHS, EVALUATED, FLUCTUATES, ONE_EPOCH, VALIDATION, figure
from alexnet_ref.claims.run import Run, read_run
from alexnet_ref.mnist.parts import X_TEST

BATCHES, TF1_BATCH = 10, 64  # displayed batches of so many digits
STANDARD_ERRORS = 3.0  # two networks equally good differ by more in one of 370 cases, their images being drawn independently
SEEDS = 3


def of_run(quotes: Quotes, evidence: Evidence, decide: Callable[[Quotes, Run], Finding]) -> Finding:
    """Decide on the run that was given: one of this network, on all of MNIST."""
    if evidence.run is None:
        return not_checkable("needs a training run: --run DIR")
    run = read_run(evidence.run)
    why_not = unfit(run, evidence)
    return not_checkable(why_not) if why_not else decide(quotes, run)


def unfit(run: Run, evidence: Evidence) -> str:
    """Return why the run is not the document's, "" where it is."""
    if run.architecture != evidence.architecture.name:
        return f"the run trained {run.architecture}"
    if run.without_lrn:
        return "the run trained the network without LRN"
    return "" if run.documented else "the run did not train on all of MNIST in the documented batches"


def of_seeds(quotes: Quotes, evidence: Evidence, decide: Callable[..., Finding]) -> Finding:
    """Decide on that run and on the further ones that are the document's."""
    seeds = [run for run in map(read_run, evidence.seeds) if not unfit(run, evidence)]
    return of_run(quotes, evidence, partial(decide, seeds=seeds))


def differ(p: float, q: float, images: int) -> float:
    """Return how many standard errors lie between two accuracies, each of so many images."""
    variance = (p * (1 - p) + q * (1 - q)) / images
    return abs(p - q) / math.sqrt(variance) if variance else math.inf if p != q else 0.0


def decide_val_accuracy(quotes: Quotes, run: Run, epoch: int, seeds: Sequence[Run]) -> Finding:
    """Decide whether after this epoch the validation accuracy is the published."""
    if len(run.rows) < epoch:
        return not_checkable(f"the run has {len(run.rows)} epochs")
    own = [each.rows[epoch - 1]["val_accuracy"] for each in (run, *seeds) if len(each.rows) >= epoch]
    return near(own, figure("val_accuracy", quotes[0]), VALIDATION)


def decide_test_accuracy(quotes: Quotes, run: Run, seeds: Sequence[Run]) -> Finding:
    """Decide whether after forty epochs the test accuracy is the published."""
    if len(run.rows) < max(EPOCHS):
        return not_checkable(f"the run has {len(run.rows)} of {max(EPOCHS)} epochs")
    own = [each.test_accuracy for each in (run, *seeds) if len(each.rows) == len(run.rows)]
    return near(own, figure("accuracy", quotes[0]), X_TEST.most)


def near(own: Sequence[float], published: float, images: int) -> Finding:
    """Decide whether some seed's accuracy is the published, within three standard errors.

    They are the digits' alone. How far seeds differ is not known from one of them: it takes three to contradict.
    """
    errors = min(differ(accuracy, published, images) for accuracy in own)
    measured = f"{', '.join(f'{a:.4f}' for a in own)} beside {published:.4f}: {errors:.1f} standard errors apart"
    if errors > STANDARD_ERRORS and len(own) < SEEDS:
        return not_checkable(f"{measured}, which other seeds may explain: {SEEDS} runs decide")
    return holds_if(errors <= STANDARD_ERRORS, measured)


def decide_above(quotes: Quotes, run: Run) -> Finding:
    """Decide whether every epoch's validation accuracy is above the percentage."""
    (percent,) = map(float, read(r"above ([\d.]+)%", quotes[0]))
    accuracies = [epoch["val_accuracy"] for epoch in run.rows]
    first = next((i for i, accuracy in enumerate(accuracies, 1) if accuracy > percent / 100), 0)
    later = accuracies[first - 1 :] if first else []
    measured = f"lowest of {len(accuracies)} epochs {min(accuracies):.2%}"
    if first > 1 and min(later) > percent / 100:
        return corrected(f"{measured}; from epoch {first} on it is")
    return holds_if(min(accuracies) > percent / 100, measured)


def decide_one_epoch(quotes: Quotes, run: Run) -> Finding:
    """Decide whether after one epoch the validation accuracy is above the percentage that the sentence before speaks of."""
    (percent,) = map(float, read(r"above ([\d.]+)%", quotes[1]))
    first = run.rows[0]["val_accuracy"]
    return holds_if(first > percent / 100, f"{first:.2%} after one epoch, {percent:g} % wanted")


def decide_loss_decreases(_: Quotes, run: Run) -> Finding:
    """Decide whether the training loss of every epoch is below the one before."""
    losses = [epoch["loss"] for epoch in run.rows]
    if len(losses) < 2:
        return not_checkable("the run has one epoch")
    rises = sum(later >= earlier for earlier, later in itertools.pairwise(losses))
    if rises and losses[-1] < losses[0]:
        return corrected(f"{losses[0]:.4f} → {losses[-1]:.4f}, but it rises {rises} times in {len(losses)} epochs")
    return holds_if(not rises, f"{losses[0]:.4f} → {losses[-1]:.4f} in {len(losses)} epochs")


def decide_dead(_: Quotes, run: Run) -> Finding:
    """Decide whether in some layer there are units that no held-out digit makes positive."""
    last = run.rows[-1]
    dead = {name.removeprefix("dead_"): share for name, share in last.items() if name.startswith("dead_")}
    if not dead:
        return not_checkable("the run did not count dead units")
    worst = max(dead, key=lambda name: dead[name])
    return holds_if(dead[worst] > 0, f"at the end {dead[worst]:.1%} of {worst}'s units are dead, no layer has more")


def decide_steps(quotes: Quotes, run: Run) -> Finding:
    """Decide whether the number that ends the loop is the number of steps that were made."""
    (said,) = read_ints(r"training_iters = (\d+)", quotes[0])
    return holds_if(run.steps == said, f"the run made {run.steps:,} steps")


def decide_display(quotes: Quotes, run: Run) -> Finding:
    """Decide whether a line is displayed at each multiple of this number of steps; the end's own row is the run's addition."""
    (every,) = read_ints(r"display_step = (\d+)", quotes[0])
    shown = [int(row["step"]) for row in run.rows if row["step"] % every == 0]
    wanted = list(range(every, run.steps + 1, every))
    others = [int(row["step"]) for row in run.rows if row["step"] % every and row["step"] != run.steps]
    return holds_if(shown == wanted and not others, f"{len(shown)} lines, the last at step {shown[-1] if shown else 0:,}")


def decide_overfitting(_: Quotes, run: Run) -> Finding:
    """Decide whether the last ten displayed batches are no better than the test digits, but for three standard errors."""
    rows = run.rows[-BATCHES:]
    train = sum(row["accuracy"] for row in rows) / len(rows)
    gap, error = train - run.test_accuracy, math.sqrt(max(train * (1 - train), 1 / TF1_BATCH) / (TF1_BATCH * len(rows)))
    return holds_if(gap <= STANDARD_ERRORS * error, f"last {len(rows)} batches {train:.4f}, test {run.test_accuracy:.4f}")


def decide_lrn_and_accuracy(_: Quotes, evidence: Evidence, *, better: bool) -> Finding:
    """Decide whether with LRN the test accuracy is (or is not) better than without, by more than three standard errors."""
    if evidence.run is None or evidence.other_run is None:
        return not_checkable("needs two runs, with LRN and without: --run DIR --without-lrn DIR")
    run, other = read_run(evidence.run), read_run(evidence.other_run)
    if {run.architecture, other.architecture} != {evidence.architecture.name} or run.steps != other.steps:
        return not_checkable("the runs are not of this architecture, or not of the same length")
    if run.without_lrn or not other.without_lrn:
        return not_checkable("the runs are not one with LRN and one without")
    if not (run.documented and other.documented):
        return not_checkable("the runs did not train on all of MNIST in the documented batches")
    p, q = run.test_accuracy, other.test_accuracy
    found = p > q and differ(p, q, X_TEST.most) > STANDARD_ERRORS
    measured = f"test accuracy {p:.4f} with LRN, {q:.4f} without: {differ(p, q, X_TEST.most):.1f} standard errors"
    return holds_if(found == better, measured)


_FIT = "model.compile, output"
CLAIMS = (
    *(
        keras_claim(
            id=f"val_accuracy_{epoch}",
            place=_FIT,
            quotes=(quote,),
            decide=partial(of_seeds, decide=partial(decide_val_accuracy, epoch=epoch)),
            needs="training",
        )
        for epoch, quote in EPOCHS.items()
    ),
    keras_claim(
        id="test_accuracy",
        place="model.evaluate",
        quotes=(EVALUATED,),
        decide=partial(of_seeds, decide=decide_test_accuracy),
        needs="training",
    ),
    keras_claim(
        id="above_98_throughout",
        place="results",
        quotes=(FLUCTUATES,),
        decide=partial(of_run, decide=decide_above),
        needs="training",
        contradiction="validation_above_98",
    ),
    keras_claim(
        id="one_epoch_enough",
        place="results",
        quotes=(ONE_EPOCH, FLUCTUATES),
        decide=partial(of_run, decide=decide_one_epoch),
        needs="training",
    ),
    keras_claim(
        id="loss_decreases_consistently",
        place="results",
        quotes=("Training loss decreases consistently as expected.",),
        decide=partial(of_run, decide=decide_loss_decreases),
        needs="training",
    ),
    keras_claim(
        id="lrn_adds_no_accuracy",
        place="results",
        quotes=("while not really contributing to the final accuracy",),
        decide=partial(decide_lrn_and_accuracy, better=False),
        needs="training",
    ),
    tf1_claim(
        id="lrn_improves_generalization",
        place="introduction",
        quotes=("local response normalization (LRN) to improve generalization",),
        decide=partial(decide_lrn_and_accuracy, better=True),
        needs="training",
    ),
    keras_claim(
        id="relu_dying_in_training",
        place="The Model",
        quotes=("ReLU sometimes leads to dying neurons",),
        decide=partial(of_run, decide=decide_dead),
        needs="training",
    ),
    tf1_claim(
        id="iterations_run",
        place="# Keep training until reach max iterations",
        quotes=("training_iters = 300000", "# Keep training until reach max iterations"),
        decide=partial(of_run, decide=decide_steps),
        needs="training",
        contradiction="iterations_are_samples",
    ),
    tf1_claim(
        id="display_step",
        place="# Parameters",
        quotes=("display_step = 100", "if step % display_step == 0:"),
        decide=partial(of_run, decide=decide_display),
        needs="training",
    ),
    tf1_claim(
        id="dropout_prevents_overfitting",
        place="introduction",
        quotes=("dropout for regularization (preventing overfitting)",),
        decide=partial(of_run, decide=decide_overfitting),
        needs="training",
    ),
)
