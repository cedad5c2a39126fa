"""Where a model can go live: each target is a file whose name is its key (`lambda_` for the word Python keeps)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from ratchet.aws import Aws, Deployment
from ratchet.errors import SpecError
from ratchet.rollout.example import Example
from ratchet.rollout.machine import Outcome
from ratchet.rollout.plan import Candidate


@dataclass(frozen=True)
class Shift:
    """A share of the traffic for a revision.

    Attributes
    ----------
    tasks
        How many copies run.
    before
        The target's own observation from before the release.
    asked
        The target was asked for this already: if it shows something else now, it has gone back by itself.
    """

    revision: str
    percent: float
    tasks: int
    before: Mapping[str, Any]
    asked: bool = False


class Target(Protocol):
    """What a release does to a place where models serve; every verb may be repeated.

    Attributes
    ----------
    splits_traffic
        Whether a share of the traffic can go to a new revision, and a revision without traffic can be asked.
    calls
        For each verb what it calls, for the dry run.
    """

    splits_traffic: bool
    calls: Mapping[str, str]

    @property
    def resource(self) -> str:
        """Name of what is changed: releases to the same resource never overlap."""
        ...

    def observe(self) -> dict[str, Any]:
        """Say what is live: `model_version`, `digest`, and whatever `restore` needs. Plain JSON."""
        ...

    def inspect(self) -> dict[str, Any]:
        """What a person wants to see beside `observe`: counts, health, shares, address. Plain JSON."""
        ...

    def prepare(self, candidate: Candidate) -> Outcome:
        """Make a revision that serves the candidate, or find it made."""
        ...

    def try_out(self, candidate: Candidate, revision: str, examples: Sequence[Example]) -> Outcome:
        """Ask the revision itself."""
        ...

    def shift(self, shift: Shift) -> Outcome:
        """Give the revision its share, or find it given; done when the target has settled, failed when it gave up."""
        ...

    def check(self, candidate: Candidate, shift: Shift, examples: Sequence[Example]) -> Outcome:
        """Ask where users ask."""
        ...

    def restore(self, before: Mapping[str, Any]) -> Outcome:
        """Go back to what was observed; done when that has settled."""
        ...


def target_names() -> list[str]:
    """Every target there is a file for."""
    return sorted(_files())


def make_target(name: str, aws: Aws, deployment: Deployment) -> Target:
    """Build the target of a name; `SpecError` lists those that exist."""
    target: Target = _module(name).make_target(aws, deployment)
    return target


def list_actions(name: str) -> tuple[str, ...]:
    """Name the IAM actions that a target calls."""
    actions: tuple[str, ...] = _module(name).IAM_ACTIONS
    return actions


def _module(name: str) -> ModuleType:
    files = _files()
    if name not in files:
        raise SpecError(f"there is no release target {name!r}; there is: {', '.join(target_names())}")
    return importlib.import_module(f"{__name__}.{files[name]}")


def _files() -> dict[str, str]:
    stems = [path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__"]
    return {stem.rstrip("_"): stem for stem in stems}
