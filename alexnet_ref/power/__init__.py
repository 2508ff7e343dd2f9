"""How much the judge sees: every named mistake built in a framework, judged, and what became of it."""

from alexnet_ref.power.outcome import Outcome, Tally, tally
from alexnet_ref.power.run import FRAMEWORKS, chosen, outcomes, right_ports

__all__ = ["FRAMEWORKS", "Outcome", "Tally", "chosen", "outcomes", "right_ports", "tally"]
