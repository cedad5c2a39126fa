"""Smoke examples: a few test examples that every target must answer as the model did in evaluation."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ratchet.aws import Bucket
from ratchet.contract import SMOKE_FILE
from ratchet.errors import ReleaseError
from ratchet.naming import report_key
from ratchet.registry import ModelVersion
from ratchet.rollout.question import Question, about, about_image


@dataclass(frozen=True)
class Example:
    """A test image, row or text, and what the model said of it in evaluation."""

    question: Question
    expected_label: str


def examples_key(version: ModelVersion) -> str:
    """Where the evaluation that judged a version left its examples.

    Raises
    ------
    ReleaseError
        When nothing has evaluated the version.
    """
    job = version.evaluation.get("job")
    if not job:
        raise ReleaseError(f"{version.model} {version.version} was never evaluated: there is nothing to check it with")
    return report_key(version.model, version.version, str(job), SMOKE_FILE)


def read_examples(models: Bucket, key: str, limit: int) -> Sequence[Example]:
    """Read the first examples that an evaluation left beside the model.

    Raises
    ------
    NotFoundError
        When the evaluation left none.
    ReleaseError
        When they cannot be read.
    """
    content = models.read(key)
    try:
        chosen = [_read(raw) for raw in json.loads(content)["examples"][:limit]]
    except (ValueError, KeyError, TypeError) as error:
        raise ReleaseError(f"{models.uri(key)} cannot be read ({error!r}): evaluate the model again") from error
    if not chosen:
        raise ReleaseError(f"{models.uri(key)} holds no smoke examples: evaluate the model again")
    return chosen


def _read(raw: Any) -> Example:
    expected = str(raw["expected_label"])
    if "row" in raw:
        return Example(about({"rows": [[float(value) for value in raw["row"]]]}), expected)
    if "text" in raw:
        return Example(about({"texts": [str(raw["text"])]}), expected)
    return Example(about_image(base64.b64decode(raw["image_base64"], validate=True)), expected)
