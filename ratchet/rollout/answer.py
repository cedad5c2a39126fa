"""Holds a serving process's answers against what the model said in evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet.naming import short
from ratchet.rollout.machine import Observed, Outcome
from ratchet.rollout.plan import Candidate


def judge_answer(answer: Mapping[str, Any], candidate: Candidate, expected_label: str) -> Outcome:
    """Done for a right answer; doubtful for none, or another model's; failed for the candidate's own wrong one."""
    if answer.get("error"):
        return Outcome(Observed.DOUBTFUL, f"answered {_shorten(answer['error'])}")
    found = answer.get("model")
    model = found if isinstance(found, Mapping) else {}
    if (str(model.get("version")), model.get("digest")) != (str(candidate.version), candidate.digest):
        return Outcome(
            Observed.DOUBTFUL,
            f"answered as version {model.get('version')} ({short(str(model.get('digest')))}), "
            f"expected {candidate.version} ({short(candidate.digest)})",
        )
    label = _top_label(answer)
    if label != expected_label:
        message = f"said {label!r} to an example that the model called {expected_label!r} in evaluation"
        return Outcome(Observed.FAILED, message)
    return Outcome(Observed.DONE)


def _top_label(answer: Mapping[str, Any]) -> Any:
    predictions = answer.get("predictions")
    first = predictions[0] if isinstance(predictions, list) and predictions else None
    return first.get("label") if isinstance(first, Mapping) else None


def _shorten(error: Any) -> str:
    return str(error)[:300]
