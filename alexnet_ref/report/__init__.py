"""What a verification found: the report itself, and its forms for people and programs."""

from alexnet_ref.report.report import Report, Verdict

__all__ = ["Report", "Verdict"]
