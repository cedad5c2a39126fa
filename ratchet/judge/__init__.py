"""Metrics, slices, champion against challenger, gates."""

from ratchet.judge.report import ClassFigures, Measurement, Report, read_report
from ratchet.judge.significance import Significance, compare_paired
from ratchet.judge.verdict import Check, ClassRecall, Comparison, Verdict, judge

__all__ = [
    "Check",
    "ClassFigures",
    "ClassRecall",
    "Comparison",
    "Measurement",
    "Report",
    "Significance",
    "Verdict",
    "compare_paired",
    "judge",
    "read_report",
]
