"""The mistakes of the catalogue, each built in a framework and judged as anybody's port would be."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.checks import CHECKS
from alexnet_ref.checks.dropout import check_dropout
from alexnet_ref.checks.impulses import check_impulses
from alexnet_ref.diagnosis.training import shows
from alexnet_ref.mistakes import Mistake, mistakes, right
from alexnet_ref.mistakes.mistake import Training
from alexnet_ref.power.outcome import Outcome
from alexnet_ref.power.ties import tie
from alexnet_ref.report import Report
from alexnet_ref.verify import digits, verify
from reference import Architecture, InvalidInput, Params, init_params

FRAMEWORKS = {"onnx": ("onnx", "onnxruntime"), "torch": ("torch",), "keras": ("tensorflow", "keras")}  # and what they need
IMAGES = 2
SEED = 2  # of the weights
# The slowest of the checks, which few mistakes need: they are made where the others find nothing.
SLOW = (check_dropout, check_impulses)
QUICK = tuple(check for check in CHECKS if check not in SLOW)


def chosen(architecture: Architecture, *, family: str | None = None, sample: int | None = None, seed: int = 0) -> list[Mistake]:
    """Return the catalogue, or `sample` of it: as many of each family as of the next, where it has so many.

    InvalidInput: there is no such family.
    """
    catalogue = mistakes(architecture)
    families = list(dict.fromkeys(mistake.family for mistake in catalogue))
    if family is not None and family not in families:
        where = f"architecture {architecture.name!r}"
        raise InvalidInput("no mistake is of this family", where=where, expected=", ".join(families), received=family)
    catalogue = tuple(mistake for mistake in catalogue if family in (None, mistake.family))
    if sample is None or sample >= len(catalogue):
        return list(catalogue)
    rng = np.random.default_rng(seed)
    shuffled = [catalogue[i] for i in rng.permutation(len(catalogue))]
    rounds = {id(m): [o for o in shuffled if o.family == m.family].index(m) for m in shuffled}
    taken = sorted(shuffled, key=lambda m: rounds[id(m)])[:sample]
    return [mistake for mistake in catalogue if mistake in taken]


def outcomes(framework: str, wrong: Sequence[Mistake]) -> Iterator[Outcome]:
    """Yield what becomes of each mistake, in turn. InvalidInput where the framework is not installed."""
    build = _builder(framework)
    for mistake in wrong:
        yield outcome(mistake, framework, build)


def right_ports(framework: str, architecture: Architecture, seeds: Sequence[int]) -> Iterator[tuple[int, Report]]:
    """Yield the report of a right port for each seed of its weights and of the probes, all checks made."""
    build = _builder(framework)
    for seed in seeds:
        params = weights(architecture, seed)
        # Where a mistake can be made in how it is trained, the right port is trained too.
        port = replace(right(architecture), training=Training(recipe=architecture.recipe) if framework == "keras" else None)
        yield seed, _judged(build(port, params), architecture, params, seed, CHECKS)


def weights(architecture: Architecture, seed: int) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return weights as training leaves them rather than as it starts: no bias is zero, where its mistakes would not show."""
    params, rng = init_params(architecture, seed), np.random.default_rng(seed)
    biases = {layer: (rng.standard_normal(parts["bias"].shape) / 4).astype(np.float32) for layer, parts in params.items()}
    return {
        layer: {"kernel": parts["kernel"], "bias": parts["bias"] if parts["bias"].any() else biases[layer]}
        for layer, parts in params.items()
    }


def _builder(framework: str) -> Any:
    for package in FRAMEWORKS[framework]:
        if importlib.util.find_spec(package) is None:
            hint = f"pip install 'alexnet-ref[{framework}]' brings it"
            raise InvalidInput(f"{package} is not installed", where=f"--framework {framework}", hint=hint)
    return importlib.import_module(f"alexnet_ref.mistakes.{framework}").build


def _judged(model: Any, architecture: Architecture, params: Params, seed: int, checks: Any) -> Report:
    images = digits(architecture, None, IMAGES)
    return verify(model, architecture, images=images, seed=seed, batch_size=IMAGES, params=params, checks=checks)


def outcome(mistake: Mistake, framework: str, build: Any) -> Outcome:
    """Build one wrong port, judge it, and compare what it is called with what it is."""
    start = time.perf_counter()
    known = {"mistake": mistake.id, "family": mistake.family, "layer": mistake.layer, "framework": framework}
    known |= {"architecture": mistake.architecture.name, "equivalent": mistake.equivalent}

    def ended(fate: Any, **details: Any) -> Outcome:
        return Outcome(**known, fate=fate, seconds=time.perf_counter() - start, **details)  # type: ignore[arg-type]

    if mistake.training is not None and not shows(mistake.training, mistake.architecture):
        return ended("not judged", why="one training step shows neither how weights begin nor how many images make a batch")
    params = weights(mistake.architecture, SEED)
    try:
        model = build(mistake, params)
    except InvalidInput as error:
        return ended("refused", why=str(error))
    try:
        report = _judged(model, mistake.architecture, params, 0, QUICK)
        if report.conforms:
            report = _judged(model, mistake.architecture, params, 0, SLOW)
    except InvalidInput as error:  # "could not be judged": not accepted, nor rejected
        return ended("not judged", why=str(error))
    except Exception as error:  # noqa: BLE001 - one failure of the judge shall not end the census; it is counted
        return ended("error", why=f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}")
    if not report.of("failed"):
        # A step that holds both layers, so that nothing shows between them, is what the document has in two.
        known["equivalent"] = mistake.equivalent or mistake.same_result
        return ended("equivalent" if known["equivalent"] else "missed")
    first, others = next(iter(report.diagnoses), None), report.diagnoses[1:]
    named = tuple(h.mistake for h in first.hypotheses if h.explains) if first else ()
    return ended(
        "rejected",
        check=report.of("failed")[0].id,
        wrong_layer=report.first_wrong_layer or "",
        named=named,
        others=tuple(d.best.mistake for d in others if d.best),
        tie=tie(mistake, named[0], params) if named and named[0] != mistake.id else "",
    )
