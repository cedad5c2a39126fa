"""The bodies and headers that every shell answers with; each carries the model that stands behind it."""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence

from inference.failure import ServingError
from inference.predictor import Ranking
from inference.store import Identity


def describe_predictions(rankings: Sequence[Ranking], identity: Identity, kind: str = "image") -> Dict[str, Any]:
    """The answer to an image, and in the same words to the first row or text; `results` then holds those of each."""
    results = [_describe_ranking(ranking) for ranking in rankings]
    listed = {} if kind == "image" else {"results": results}
    return {**results[0], **listed, "model": identity.to_json()}


def _describe_ranking(ranking: Ranking) -> Dict[str, Any]:
    """One example's classes: structured, and the same as lines of text."""
    return {
        "predictions": [{"label": each.label, "probability": each.probability} for each in ranking],
        "entries": ["probability=%f, class=%s" % (each.probability, each.label) for each in ranking],
    }


def describe_error(error: ServingError, identity: Optional[Identity]) -> Dict[str, Any]:
    """The answer to a request that failed; `model` is null before a release."""
    return {
        "error": {"code": error.code, "message": error.message},
        "model": identity.to_json() if identity else None,
    }


def describe_health(identity: Identity, engine_name: str) -> Dict[str, Any]:
    """The answer to a health check of a loaded model."""
    return {"status": "ready", "engine": engine_name, "model": identity.to_json()}


def model_headers(identity: Optional[Identity]) -> Dict[str, str]:
    """Headers that tie an answer to its model, whatever its body is."""
    if identity is None:
        return {}
    return {"X-Model-Version": _printable(identity.version), "X-Model-Digest": identity.digest}


def error_headers(error: ServingError) -> Dict[str, str]:
    """When to come back, where that is known."""
    if error.retry_after_seconds is None:
        return {}
    return {"Retry-After": str(error.retry_after_seconds)}


def _printable(text: str) -> str:
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)
