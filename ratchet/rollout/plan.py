"""A release as frozen data: made once, printed for the approver, stored, then carried out step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from ratchet.naming import short


class Verb(StrEnum):
    """What a step does to its target."""

    PREPARE = "prepare"  # make the new revision; no traffic reaches it
    TRY = "try"  # smoke predictions on the new revision itself
    SHIFT = "shift"  # give it a share of the traffic, and wait until the target has settled
    CHECK = "check"  # smoke predictions where users send theirs
    BAKE = "bake"  # let it serve for a while, and watch the alarms
    CONFIRM = "confirm"  # look once more, when every target should serve the same artefact


@dataclass(frozen=True)
class Candidate:
    """The artefact that goes live."""

    model: str
    version: int
    digest: str
    uri: str


@dataclass(frozen=True)
class Step:
    """One verb on one target.

    Attributes
    ----------
    percent
        Share of traffic, for `shift`, `check` and `bake`.
    calls
        What the target would call, for the dry run.
    """

    target: str
    verb: Verb
    percent: float = 0.0
    calls: str = ""

    def describe(self) -> str:
        """The step in words."""
        if self.verb is Verb.SHIFT:
            return f"shift {self.percent:g} % of {self.target}'s traffic"
        shared = self.verb in (Verb.CHECK, Verb.BAKE)
        return f"{self.verb} {self.target}" + (f" at {self.percent:g} %" if shared else "")


@dataclass(frozen=True)
class Plan:
    """What a release does, and what every target goes back to.

    Attributes
    ----------
    before
        For each target what was live when the plan was made; only the target itself reads it.
    tasks
        Running copies of the ECS service.
    smoke_key
        Where in the models bucket the test images lie, `smoke_images` how many of them are sent.
    timeout_seconds
        How long one step may wait to become healthy.
    fences
        For each target the revision of its lock when the plan was made: a release begins only if it is still that.
    bake_seconds
        How long each `bake` lasts.
    ringing
        The stack's alarms that rang when the plan was made, and since when: these do not send the release back.
    """

    candidate: Candidate
    steps: tuple[Step, ...]
    before: Mapping[str, Mapping[str, Any]]
    tasks: int
    smoke_key: str
    smoke_images: int
    timeout_seconds: float
    fences: Mapping[str, int] = field(default_factory=dict)
    bake_seconds: float = 0.0
    ringing: Mapping[str, str] = field(default_factory=dict)

    def limit_seconds(self, step: Step) -> float:
        """How long a step may take."""
        return self.timeout_seconds + (self.bake_seconds if step.verb is Verb.BAKE else 0.0)

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
        steps = tuple(
            Step(step["target"], Verb(step["verb"]), float(step["percent"]), step["calls"]) for step in raw["steps"]
        )
        return cls(
            candidate=Candidate(**raw["candidate"]),
            steps=steps,
            before={target: dict(state) for target, state in raw["before"].items()},
            tasks=int(raw["tasks"]),
            smoke_key=str(raw["smoke_key"]),
            smoke_images=int(raw["smoke_images"]),
            timeout_seconds=float(raw["timeout_seconds"]),
            fences={target: int(revision) for target, revision in raw["fences"].items()},
            bake_seconds=float(raw.get("bake_seconds", 0.0)),
            ringing=dict(raw.get("ringing", {})),
        )


def order_steps(
    targets: Sequence[str],
    canaries: Mapping[str, float],
    calls: Mapping[str, Mapping[str, str]] | None = None,
    *,
    bakes: bool = False,
) -> tuple[Step, ...]:
    """Order the steps: everything is prepared and tried first, small shares come before large ones.

    Parameters
    ----------
    canaries
        First share of traffic in percent, for each target that can split its traffic; 0 for one that serves no model
        yet, where there is nobody to share with.
    calls
        For each target what a verb would call.
    bakes
        Whether each first share, and in the end the whole, serves for a while before it goes on.
    """
    splitting = [target for target in targets if target in canaries]
    early = {target: canaries[target] for target in splitting if 0 < canaries[target] < 100}
    steps = [(target, Verb.PREPARE, 0.0) for target in targets]
    steps += [(target, Verb.TRY, 0.0) for target in splitting]
    for target, percent in early.items():
        steps += [(target, Verb.SHIFT, percent), (target, Verb.CHECK, percent)]
        steps += [(target, Verb.BAKE, percent)] * bakes
    # What cannot split its traffic goes while the others still serve the champion to most.
    for target in sorted(targets, key=lambda name: name in canaries):
        steps += [(target, Verb.SHIFT, 100.0), (target, Verb.CHECK, 100.0)]
    steps += [(steps[-1][0], Verb.BAKE, 100.0)] * bakes
    steps += [(target, Verb.CONFIRM, 0.0) for target in targets]
    known = calls or {}
    return tuple(Step(target, verb, percent, known.get(target, {}).get(verb, "")) for target, verb, percent in steps)


def print_plan(plan: Plan) -> str:
    """The dry run: what would be done and called, and what every target would go back to."""
    candidate = plan.candidate
    lines = [f"Release {candidate.model} {candidate.version} ({short(candidate.digest)}):"]
    for number, step in enumerate(plan.steps, start=1):
        lines.append(f"{number}. {step.describe()}" + (f": {step.calls}" if step.calls else ""))
    lines.append(
        f"Each step waits at most {plan.timeout_seconds:g} s; each check sends {plan.smoke_images} test images."
    )
    if plan.bake_seconds:
        lines.append(f"Each bake lasts {plan.bake_seconds:g} s.")
    lines += [
        f"An alarm that rings sends every target back; {name} rings already and does not." for name in plan.ringing
    ]
    lines += [f"On any failure {target} goes back to {_before(plan.before[target])}." for target in plan.targets]
    if len({state.get("digest") for state in plan.before.values()}) > 1:
        lines.append("Note: the targets do not all serve the same model now.")
    return "\n".join(lines)


def _before(state: Mapping[str, Any]) -> str:
    version = state.get("model_version")
    return f"model version {version}" if version else "serving no model"
