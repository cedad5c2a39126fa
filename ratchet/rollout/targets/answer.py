"""Holds a serving process's answers against what the model said in evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet.naming import short
from ratchet.rollout.plan import Candidate


def find_fault(answer: Mapping[str, Any], candidate: Candidate, expected_label: str) -> str:
    """What is wrong with an answer; empty when nothing is."""
    if answer.get("error"):
        return f"answered {answer['error']}"
    model = answer.get("model") or {}
    if (str(model.get("version")), model.get("digest")) != (str(candidate.version), candidate.digest):
        return (
            f"answered as version {model.get('version')} ({short(str(model.get('digest')))}), "
            f"expected {candidate.version} ({short(candidate.digest)})"
        )
    predictions = answer.get("predictions") or [{}]
    label = predictions[0].get("label")
    if label != expected_label:
        return f"said {label!r} to an image that it called {expected_label!r} in evaluation"
    return ""


def is_from(answer: Mapping[str, Any], candidate: Candidate) -> bool:
    """Whether the candidate gave this answer."""
    return bool((answer.get("model") or {}).get("digest") == candidate.digest)
