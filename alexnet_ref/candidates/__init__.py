"""Adapters: one framework a file, behind one interface."""

from alexnet_ref.candidates.adapt import as_candidate, as_port
from alexnet_ref.candidates.candidate import Candidate, Fact
from alexnet_ref.candidates.step import NotCheckable, Port, Step

__all__ = ["Candidate", "Fact", "NotCheckable", "Port", "Step", "as_candidate", "as_port"]
