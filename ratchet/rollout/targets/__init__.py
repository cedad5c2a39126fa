"""Where a model can go live: each target is a file whose name is its key (`lambda_` for the word Python keeps)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ratchet.aws import Aws, Deployment
from ratchet.errors import SpecError
from ratchet.rollout.machine import Outcome
from ratchet.rollout.plan import Candidate

_NOT_TARGETS = frozenset({"__init__", "answer", "environment"})


@dataclass(frozen=True)
class Example:
    """A test image and what the model said of it in evaluation."""

    image: bytes
    expected_label: str


@dataclass(frozen=True)
class Shift:
    """A share of the traffic for a revision.

    `before` is the target's own observation from before the release, `tasks` how many copies run.
    """

    revision: str
    percent: float
    tasks: int
    before: Mapping[str, Any]


class Target(Protocol):
    """What a release does to a place where models serve; every verb may be repeated."""

    splits_traffic: bool

    def observe(self) -> dict[str, Any]:
        """Say what is live: `model_version`, `digest`, and whatever `restore` needs. Plain JSON."""
        ...

    def prepare(self, candidate: Candidate) -> Outcome:
        """Make a revision that serves the candidate, or find it made."""
        ...

    def try_out(self, candidate: Candidate, revision: str, examples: Sequence[Example]) -> Outcome:
        """Ask the revision itself."""
        ...

    def shift(self, shift: Shift) -> Outcome:
        """Give the revision its share, or find it given; done when the target has settled."""
        ...

    def check(self, candidate: Candidate, shift: Shift, examples: Sequence[Example]) -> Outcome:
        """Ask where users ask."""
        ...

    def restore(self, before: Mapping[str, Any]) -> Outcome:
        """Go back to what was observed; done when that has settled."""
        ...


def target_names() -> list[str]:
    """Every target there is a file for."""
    stems = [path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in _NOT_TARGETS]
    return sorted(stem.rstrip("_") for stem in stems)


def make_target(name: str, aws: Aws, deployment: Deployment) -> Target:
    """Build the target of a name; `SpecError` lists those that exist."""
    if name not in target_names():
        raise SpecError(f"there is no release target {name!r}; there is: {', '.join(target_names())}")
    file = f"{name}_" if (Path(__file__).parent / f"{name}_.py").exists() else name
    target: Target = importlib.import_module(f"ratchet.rollout.targets.{file}").make_target(aws, deployment)
    return target
