"""What is judged: somebody's port, behind one small interface, one framework a file."""

from alexnet_ref.candidates.candidate import Candidate, Fact, as_candidate

__all__ = ["Candidate", "Fact", "as_candidate"]
