"""A release as frozen data: made once, printed for the approver, stored, then carried out step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ratchet.naming import short


class Verb(StrEnum):
    """What a step does to its target."""

    PREPARE = "prepare"  # make the new revision; no traffic reaches it
    TRY = "try"  # smoke predictions on the new revision itself
    SHIFT = "shift"  # give it a share of the traffic, and wait until the target has settled
    CHECK = "check"  # smoke predictions where users send theirs


@dataclass(frozen=True)
class Candidate:
    """The artefact that goes live."""

    model: str
    version: int
    digest: str
    uri: str


@dataclass(frozen=True)
class Step:
    """One verb on one target; `percent` is the share of traffic for `shift` and `check`."""

    target: str
    verb: Verb
    percent: float = 0.0

    def describe(self) -> str:
        """The step in words."""
        if self.verb is Verb.SHIFT:
            return f"shift {self.percent:g} % of {self.target}'s traffic"
        return f"{self.verb} {self.target}" + (f" at {self.percent:g} %" if self.verb is Verb.CHECK else "")


@dataclass(frozen=True)
class Plan:
    """What a release does, and what every target goes back to.

    Attributes
    ----------
    before
        For each target what was live when the plan was made; only the target itself reads it.
    tasks
        Running copies of the ECS service.
    timeout_seconds
        How long one step may wait to become healthy.
    """

    candidate: Candidate
    steps: tuple[Step, ...]
    before: Mapping[str, Mapping[str, Any]]
    tasks: int
    smoke_images: int
    timeout_seconds: float

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets in the order they are first touched."""
        return tuple(dict.fromkeys(step.target for step in self.steps))

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, as the release record holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Plan:
        """Read what `to_json` wrote."""
        steps = tuple(Step(step["target"], Verb(step["verb"]), float(step["percent"])) for step in raw["steps"])
        return cls(
            candidate=Candidate(**raw["candidate"]),
            steps=steps,
            before={target: dict(state) for target, state in raw["before"].items()},
            tasks=int(raw["tasks"]),
            smoke_images=int(raw["smoke_images"]),
            timeout_seconds=float(raw["timeout_seconds"]),
        )


def order_steps(targets: Sequence[str], canaries: Mapping[str, float]) -> tuple[Step, ...]:
    """Order the steps: everything is prepared and tried first, small shares come before large ones.

    Parameters
    ----------
    canaries
        First share of traffic in percent, for each target that can split its traffic.
    """
    steps = [Step(target, Verb.PREPARE) for target in targets]
    steps += [Step(target, Verb.TRY) for target in targets if target in canaries]
    early = {target: percent for target, percent in canaries.items() if target in targets and 0 < percent < 100}
    for target, percent in early.items():
        steps += [Step(target, Verb.SHIFT, percent), Step(target, Verb.CHECK, percent)]
    # What cannot split its traffic goes while the others still serve the champion to most.
    for target in sorted(targets, key=lambda name: name in canaries):
        steps += [Step(target, Verb.SHIFT, 100.0), Step(target, Verb.CHECK, 100.0)]
    return tuple(steps)


def print_plan(plan: Plan) -> str:
    """The dry run: what would be done, and what every target would go back to."""
    candidate = plan.candidate
    lines = [f"Release {candidate.model} {candidate.version} ({short(candidate.digest)}):"]
    lines += [f"{number}. {step.describe()}" for number, step in enumerate(plan.steps, start=1)]
    lines += [f"On any failure {target} goes back to {_before(plan.before[target])}." for target in plan.targets]
    return "\n".join(lines)


def _before(state: Mapping[str, Any]) -> str:
    version = state.get("model_version")
    return f"model version {version}" if version else "serving no model"
