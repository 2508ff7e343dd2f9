"""The two documented networks, one file per document, readable row by row beside it."""

from collections.abc import Mapping
from types import MappingProxyType

from reference.architectures.keras_sequential import KERAS_SEQUENTIAL
from reference.architectures.tf1_graph import TF1_GRAPH
from reference.errors import InvalidInput
from reference.layers import Architecture

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType({a.name: a for a in (KERAS_SEQUENTIAL, TF1_GRAPH)})


def as_architecture(architecture: Architecture | str) -> Architecture:
    """Return the architecture itself, or the documented one of that name; InvalidInput lists the names."""
    if isinstance(architecture, Architecture):
        return architecture
    if architecture in list(ARCHITECTURES):  # a list, so that what cannot be hashed is refused below as well
        return ARCHITECTURES[architecture]
    raise InvalidInput("no such architecture", expected="one of " + ", ".join(ARCHITECTURES), received=repr(architecture))
