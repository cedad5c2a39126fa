"""Reads metrics from log lines, as SageMaker's `MetricDefinitions` say: the last value of each counts."""

from __future__ import annotations

import math
import re
from typing import Dict, Mapping, Optional, Sequence


class Metrics:
    """The values seen so far.

    Parameters
    ----------
    definitions
        `name` and `regex` of each; the expression's first group is the value.
    """

    def __init__(self, definitions: Sequence[Mapping[str, str]]) -> None:
        self._patterns = [(found["name"], re.compile(found["regex"])) for found in definitions]
        self.values: Dict[str, float] = {}

    def read(self, line: str) -> None:
        """Take in a line; neither NaN nor infinity is a metric."""
        for name, pattern in self._patterns:
            for match in pattern.finditer(line):
                value = _number(match.group(1) if pattern.groups else match.group())
                if value is not None:
                    self.values[name] = value


def _number(text: Optional[str]) -> Optional[float]:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
