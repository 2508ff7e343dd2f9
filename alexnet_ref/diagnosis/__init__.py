"""Which mistake a port made: the catalogue's hypotheses, fitted to what its first wrong layer computed."""

from alexnet_ref.diagnosis.diagnosis import Diagnosis, Evidence, Hypothesis

__all__ = ["Diagnosis", "Evidence", "Hypothesis"]
