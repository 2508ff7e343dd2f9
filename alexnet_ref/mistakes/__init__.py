"""Named mistakes: what people and converters get wrong when they port these networks, as data that interpreters run.

from alexnet_ref.mistakes import mistakes, run_network
for mistake in mistakes("tf1_graph"):
    outputs = run_network(mistake, params, images)
"""

from alexnet_ref.mistakes.catalogue import catalogue, mistakes, named
from alexnet_ref.mistakes.interpret import run, run_network
from alexnet_ref.mistakes.mistake import Mistake, Training, Weights, right
from alexnet_ref.mistakes.weights import as_ported

__all__ = ["Mistake", "Training", "Weights", "as_ported", "catalogue", "mistakes", "named", "right", "run", "run_network"]
