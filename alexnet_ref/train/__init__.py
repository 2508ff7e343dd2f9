"""The documented recipes, trained for real: `train` fills a run directory. Importing this imports no framework."""

from alexnet_ref.train.events import Event, Interrupted, LostWorker, Notice, Row, Step
from alexnet_ref.train.start import train

__all__ = ["Event", "Interrupted", "LostWorker", "Notice", "Row", "Step", "train"]
