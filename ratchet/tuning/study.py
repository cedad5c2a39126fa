"""What a study found: its trials and their order of merit, as frozen data that is kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ratchet.errors import ArtefactError
from ratchet.tuning_spec import Hyperparameter

_FORMAT = 1


class TrialState(StrEnum):
    """How far a trial is."""

    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"  # fell behind, or the study ended; its last value counts
    FAILED = "failed"


@dataclass(frozen=True)
class Trial:
    """One training with values of its own.

    Attributes
    ----------
    number
        From 1, in the order in which they were proposed.
    parameters
        The values that were searched; what was fixed is the pipeline's.
    objective
        The last value that was reported; None for a trial that failed or said nothing.
    job
        The training job; empty for a process of the study's own job.
    seconds, cost_usd
        How long it ran, and what that cost; None while nobody knows.
    """

    number: int
    state: TrialState
    parameters: Mapping[str, Hyperparameter]
    objective: float | None = None
    job: str = ""
    seconds: float | None = None
    cost_usd: float | None = None
    message: str = ""

    @property
    def ended(self) -> bool:
        """Whether it will say nothing more."""
        return self.state is not TrialState.RUNNING

    @property
    def counts(self) -> bool:
        """Whether its objective says something."""
        return self.ended and self.state is not TrialState.FAILED and self.objective is not None


@dataclass(frozen=True)
class Study:
    """A search and everything that it has tried.

    Attributes
    ----------
    name
        Of the tuning job, or of the job whose processes the trials are.
    identity
        Digest of what it does; the same work finds the same study.
    parents
        The studies that it began with.
    hyperparameters
        Names of all that a trial is given, searched and fixed.
    """

    name: str
    pipeline: str
    identity: str
    strategy: str
    metric: str
    maximize: bool
    by_jobs: bool
    trials: tuple[Trial, ...] = ()
    parents: tuple[str, ...] = ()
    hyperparameters: tuple[str, ...] = ()
    inputs: str = ""  # digest of data and image
    limit: int | None = None  # trials at most
    state: str = "running"
    ended_at: str = ""
    usd: float | None = None  # what all trials cost together
    saved_usd: float | None = None  # what Spot saved of it

    @property
    def best(self) -> Trial | None:
        """The trial with the best objective, the first of equals; None while there is none."""
        return self.best_of(self.trials)

    def best_of(self, trials: Sequence[Trial]) -> Trial | None:
        """The best of some trials; one that was stopped left no whole model and cannot be it."""
        sign = 1 if self.maximize else -1
        counted = [trial for trial in trials if trial.counts and trial.state is TrialState.COMPLETED]
        return max(counted, key=lambda trial: (sign * (trial.objective or 0.0), -trial.number), default=None)

    def course(self) -> list[tuple[int, float]]:
        """The best value so far after each trial that was completed: number of the trial and value."""
        found: list[tuple[int, float]] = []
        for place, trial in enumerate(self.trials):
            best = self.best_of(self.trials[: place + 1])
            if trial.state is TrialState.COMPLETED and best is not None and best.objective is not None:
                found.append((trial.number, best.objective))
        return found

    def count(self, *states: TrialState) -> int:
        """How many trials are in some states."""
        return sum(trial.state in states for trial in self.trials)

    def is_usable_for(self, other: Study) -> bool:
        """Whether what this study found says something to another: same objective, same hyperparameters."""
        return (
            (self.metric, self.maximize) == (other.metric, other.maximize)
            and any(trial.counts for trial in self.trials)
            and self.hyperparameters == other.hyperparameters
        )

    def tell(self) -> str:
        """How far it is and what is best so far, in one line."""
        running, failed = self.count(TrialState.RUNNING), self.count(TrialState.FAILED)
        done = len(self.trials) - running
        words = [f"{done} of {self.limit} trials done" if self.limit else f"{done} trials done"]
        words += [f"{count} {word}" for count, word in ((running, "running"), (failed, "failed")) if count]
        best = self.best
        if best is not None:
            values = ", ".join(f"{name} {tell_value(value)}" for name, value in best.parameters.items())
            words.append(f"best {self.metric} {best.objective:.6g} (trial {best.number}: {values})")
        return ", ".join(words)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        best = self.best
        return {"format": _FORMAT, **asdict(self), "best": best.number if best else None}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Study:
        """Read what `to_json` wrote; `ArtefactError` when it is of another format."""
        if raw.get("format") != _FORMAT:
            raise ArtefactError(f"the study is of format {raw.get('format')!r}, this Ratchet reads {_FORMAT}")
        fields = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw}
        for name in ("parents", "hyperparameters"):
            fields[name] = tuple(fields[name])
        fields["trials"] = tuple(read_trial(trial) for trial in raw["trials"])
        return cls(**fields)


def read_trial(raw: Mapping[str, Any]) -> Trial:
    """A trial from plain data; what this Ratchet does not know is passed over."""
    known = {name: raw[name] for name in Trial.__dataclass_fields__ if name in raw}
    return Trial(**{**known, "state": TrialState(raw["state"])})


def tell_value(value: Hyperparameter) -> str:
    """A value as a person reads it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
