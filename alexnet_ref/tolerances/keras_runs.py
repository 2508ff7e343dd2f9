"""The Keras model of a description, run eagerly, as a tf.function, or compiled by XLA. Imports TensorFlow."""

from __future__ import annotations

from alexnet_ref.candidates.keras import Execution, KerasPort
from alexnet_ref.candidates.paired import PairedCandidate
from alexnet_ref.models import build_model
from reference import Architecture, Params


def keras_run(execution: Execution, architecture: Architecture, params: Params) -> PairedCandidate:
    """Return the model with these weights, run like this."""
    port = KerasPort(build_model(architecture, params), name=f"TensorFlow {execution}", execution=execution)
    return PairedCandidate(port, architecture)
