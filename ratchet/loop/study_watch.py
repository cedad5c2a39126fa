"""Follows a study: its trials as jobs of SageMaker's, or as processes that tell of themselves in one job's log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from ratchet.compute.cost import cost_of, find_price, tell_usd
from ratchet.compute.order import JobState, JobStatus
from ratchet.compute.tuner import TrialJob
from ratchet.contract import read_trial_line
from ratchet.errors import RatchetError
from ratchet.loop.look import Look
from ratchet.loop.study_store import draw_page, read_study
from ratchet.loop.workshop import Workshop
from ratchet.tuning.space import read_values
from ratchet.tuning.study import Study, Trial, TrialState, read_trial, tell_value

_log = logging.getLogger(__name__)
_STATES = {
    JobState.RUNNING: TrialState.RUNNING,
    JobState.STOPPING: TrialState.RUNNING,
    JobState.SUCCEEDED: TrialState.COMPLETED,
    JobState.STOPPED: TrialState.STOPPED,
    JobState.FAILED: TrialState.FAILED,
}


class Progress(Protocol):
    """How a study goes; `study` is what the last look saw."""

    study: Study

    def look(self) -> tuple[JobState, str, tuple[str, ...]]:
        """Look once: the state, why if it is a bad one, and new lines of the log."""
        ...

    def finish(self) -> Study:
        """Look at what has ended with all its costs."""
        ...

    def cancel(self) -> None:
        """End the study and its trials."""
        ...


def find_progress(workshop: Workshop, study: Study) -> Progress:
    """How a study is followed."""
    return _Jobs(workshop, study) if study.by_jobs else _Processes(workshop, study)


class _Jobs:
    """Trials that are training jobs of a tuning job."""

    def __init__(self, workshop: Workshop, study: Study) -> None:
        self.workshop = workshop
        self.study = study

    def look(self) -> tuple[JobState, str, tuple[str, ...]]:
        """Read the state first and the trials after it, so that the last ends are never missed."""
        status = self.workshop.tuner.poll(self.study.name)
        before = {trial.number: trial.state for trial in self.study.trials}
        now = self.workshop.clock.now()
        trials = [self._trial(n, job, now) for n, job in enumerate(self.workshop.tuner.list_trials(self.study.name), 1)]
        spent = [trial.cost_usd for trial in trials if trial.cost_usd is not None]
        self.study = replace(
            self.study, trials=tuple(trials), state=status.state.value, usd=sum(spent) if spent else None
        )
        news = [tell_trial(trial, self.study.metric) for trial in trials if before.get(trial.number) != trial.state]
        return status.state, status.message, tuple(news)

    def finish(self) -> Study:
        """Ask each trial what AWS bills for it; with Spot that is less than the time it ran."""
        self.look()
        region, now = self.workshop.settings.region, self.workshop.clock.now()
        costs = [cost_of(self.workshop.backend.poll(trial.job), region, now) for trial in self.study.trials]
        trials = [
            replace(t, cost_usd=cost.usd) if cost else t for t, cost in zip(self.study.trials, costs, strict=True)
        ]
        known = [cost for cost in costs if cost]
        return replace(
            self.study,
            trials=tuple(trials),
            ended_at=now.isoformat(),
            usd=sum(cost.usd for cost in known) if known else None,
            saved_usd=sum(cost.saved_usd for cost in known) if known else None,
        )

    def cancel(self) -> None:
        """Stop the tuning job."""
        self.workshop.tuner.stop(self.study.name)

    def _trial(self, number: int, job: TrialJob, now: datetime) -> Trial:
        seconds = max(0.0, ((job.ended_at or now) - job.started_at).total_seconds()) if job.started_at else None
        training = self.workshop.pipeline.training
        price = find_price(self.workshop.settings.region, training.instance_type)
        return Trial(
            number=number,
            state=_STATES[job.state],
            parameters=read_values(job.values),
            objective=job.objective,
            job=job.name,
            seconds=seconds,
            cost_usd=price.cost_usd(seconds, training.instance_count) if price and seconds is not None else None,
            message=job.message,
        )


class _Processes:
    """Trials that are processes of one job."""

    def __init__(self, workshop: Workshop, study: Study) -> None:
        self.workshop = workshop
        self.study = study
        self._cursor = ""
        self._trials: dict[int, Trial] = {}

    def look(self) -> tuple[JobState, str, tuple[str, ...]]:
        """Read the state first and the log after it, so that the last lines are never missed."""
        status, lines = self._read()
        return status.state, status.message, lines

    def finish(self) -> Study:
        """Look at the ended job."""
        self._read()
        # What ran when the job ended will say nothing more.
        trials = [trial if trial.ended else replace(trial, state=TrialState.STOPPED) for trial in self.study.trials]
        return replace(self.study, trials=tuple(trials), ended_at=self.workshop.clock.now().isoformat())

    def cancel(self) -> None:
        """Stop the job."""
        self.workshop.backend.stop(self.study.name)

    def _read(self) -> tuple[JobStatus, tuple[str, ...]]:
        status = self.workshop.backend.poll(self.study.name)
        page = self.workshop.backend.read_log(self.study.name, self._cursor)
        self._cursor = page.cursor
        told = [found for line in page.lines if (found := read_trial_line(line))]
        self._trials |= {trial.number: trial for trial in map(read_trial, told)}
        cost = cost_of(status, self.workshop.settings.region, self.workshop.clock.now())
        self.study = replace(
            self.study,
            trials=tuple(self._trials[number] for number in sorted(self._trials)),
            state=status.state.value,
            usd=cost.usd if cost else None,
            saved_usd=cost.saved_usd if cost else None,
        )
        return status, tuple(line for line in page.lines if not read_trial_line(line))


class StudyWatch:
    """Waits for a study: tells its trials and draws its page while it runs."""

    def __init__(self, workshop: Workshop, payload: Mapping[str, Any]) -> None:
        self.workshop = workshop
        self.name = str(payload["study"])
        self.progress = find_progress(workshop, read_study(workshop, self.name))
        self._drawn: tuple[Trial, ...] = ()

    def look(self) -> Look:
        """Look at the study and its trials."""
        state, message, lines = self.progress.look()
        study = self.progress.study
        ends = tuple(trial for trial in study.trials if trial.ended)
        if ends != self._drawn:
            self._draw(study, ends)
        spent = f", {tell_usd(study.usd)} so far" if study.usd and not state.ended else ""
        reason = f": {message}" if message and state in (JobState.FAILED, JobState.STOPPED) else ""
        outcome = {"study": self.name, "state": state.value, "message": message}
        return Look(state.ended, f"{self.name}: {study.tell()}{spent}{reason}", lines, outcome)

    def cancel(self) -> None:
        """End the study and its trials."""
        self.progress.cancel()

    def _draw(self, study: Study, ends: tuple[Trial, ...]) -> None:
        """Write the page anew; one that cannot be written now is written at the next look."""
        try:
            draw_page(self.workshop, study)
        except RatchetError as error:
            _log.warning("the study's page is not up to date: %s", error)
        else:
            self._drawn = ends


def tell_trial(trial: Trial, metric: str) -> str:
    """One trial in one line."""
    values = ", ".join(f"{name} {tell_value(value)}" for name, value in trial.parameters.items())
    found = f", {metric} {trial.objective:.6g}" if trial.objective is not None else ""
    return f"trial {trial.number} {trial.state.value}{found}: {values}" + (
        f" - {trial.message}" if trial.message else ""
    )
