"""Carries one tuning job out: proposes, starts training jobs, watches what they report, and knows when to end."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from moto.core.exceptions import ServiceException

from localcloud.engines.sagemaker_cluster import EndedBy
from localcloud.engines.sagemaker_failure import JobFailure
from localcloud.engines.sagemaker_job import TrainingJob, Tuning
from localcloud.engines.sagemaker_record import Outcome, Status
from localcloud.engines.sagemaker_site import Site
from localcloud.engines.sagemaker_thread import JobThread
from localcloud.engines.sagemaker_tuning_job import Trial, TuningJob
from localcloud.engines.sagemaker_tuning_request import make_child
from localcloud.engines.sagemaker_tuning_rule import HOPELESS_FAILURES, is_done, is_falling_behind, is_hopeless
from localcloud.engines.sagemaker_tuning_search import Search

_ALL_FAILED = "All training jobs failed. Please take a look at the training jobs failures to get more details."
_HOPELESS = (
    f"No training job succeeded after {HOPELESS_FAILURES} attempts. For additional details, please take a look at the "
    "training job failures by listing training jobs for the hyperparameter tuning job."
)
_LOOK_SECONDS = 1.0

StartChild = Callable[[Mapping[str, Any], Tuning], TrainingJob]


class TuningRun(JobThread[Outcome]):
    """One tuning job under way.

    A trial is proposed when all but the last few before it have ended, the last few being as many as may run at once,
    and with what those have found alone: the sequence of trials does not hang on which of them is faster.

    Parameters
    ----------
    job
        The record to keep up to date.
    site
        Where it runs.
    search
        Makes what proposes; called on this job's own thread, for importing Optuna takes seconds.
    limit
        How many training jobs there are at most.
    start_child
        Starts a training job.
    """

    def __init__(
        self, job: TuningJob, site: Site, *, search: Callable[[], Search], limit: int, start_child: StartChild
    ) -> None:
        super().__init__(job, site)
        self.job = job
        self._make_search = search
        self._limit = limit
        self._start_child = start_child
        self._limits = job.config["ResourceLimits"]
        self._reports: SimpleQueue[tuple[int, float]] = SimpleQueue()
        self._observed: set[int] = set()
        self._exhausted = False
        if self._limits.get("MaxRuntimeInSeconds"):
            self.deadline = time.monotonic() + self._limits["MaxRuntimeInSeconds"]

    def carry_out(self) -> Outcome:
        """Start training jobs until there is a reason to end, then end those that run."""
        self._search = self._make_search()
        try:
            ended_by = self._search_on()
        finally:
            self._stop_children()
        self.require_open()
        if ended_by is EndedBy.STOP:
            return Outcome(Status.STOPPED)
        results = [trial.result for trial in self.job.trials]
        if all(result is None for result in results):
            raise JobFailure(_HOPELESS if is_hopeless(results) and self._more_to_start() else _ALL_FAILED)
        return Outcome(Status.COMPLETED)

    def fail(self, reason: str) -> Outcome:
        """Return the ending of a job that failed."""
        return Outcome(Status.FAILED, reason)

    def end_early(self, ended_by: EndedBy) -> Outcome:
        """Return the ending of a job that was ended while nothing of it ran."""
        return Outcome(Status.STOPPED if ended_by is EndedBy.STOP else Status.COMPLETED)

    def _search_on(self) -> EndedBy:
        while True:
            found = self.reason_to_stop()
            if found is not None:
                return found
            self._read_reports()
            if self._is_finished():
                return EndedBy.ITSELF
            if not self._search.adaptive:
                self._observe(self.job.trials)
            while self._may_start():
                self._start_next()
            self.job.wake.wait(min(_LOOK_SECONDS, max(0.0, self.patience_seconds())))
            self.job.wake.clear()

    def _more_to_start(self) -> bool:
        return not self._exhausted and len(self.job.trials) < self._limit

    def _is_finished(self) -> bool:
        trials = self.job.trials
        ended = [trial.result for trial in trials if trial.job.ended]
        criteria = self.job.config.get("TuningJobCompletionCriteria") or {}
        if is_done(criteria, ended, maximize=self.job.maximize) or is_hopeless(ended):
            return True
        return not self._more_to_start() and len(ended) == len(trials)

    def _may_start(self) -> bool:
        trials, parallel = self.job.trials, self._limits["MaxParallelTrainingJobs"]
        running = sum(not trial.job.ended for trial in trials)
        if not self._more_to_start() or running >= parallel or self.reason_to_stop() is not None:
            return False
        return not self._search.adaptive or all(trial.job.ended for trial in self._known(trials))

    def _known(self, trials: list[Trial]) -> list[Trial]:
        """Return the trials whose ends the next proposal waits for."""
        return trials[: max(0, len(trials) + 1 - self._limits["MaxParallelTrainingJobs"])]

    def _observe(self, trials: list[Trial]) -> None:
        for number, trial in enumerate(trials):
            if trial.job.ended and number not in self._observed:
                self._observed.add(number)
                self._search.observe(number, trial.result)

    def _start_next(self) -> None:
        trials = self.job.trials
        number = len(trials)
        if self._search.adaptive:
            self._observe(self._known(trials))
        values = self._search.propose()
        if values is None:
            self._exhausted = True
            return
        name = f"{self.job.name}-{number + 1:03d}-{uuid.uuid4().hex[:8]}"
        tuning = Tuning(self.job.arn, partial(self._hear, number))
        try:
            child = self._start_child(make_child(self.job.request, name, values), tuning)
        except ServiceException as error:
            raise JobFailure(f"ClientError: {error}") from error
        self.job.add(Trial(self.job.name, self.job.objective, values, child))

    def _hear(self, number: int, metric: str | None, value: float) -> None:
        """Note a training job's report, or that it has ended; called on the job's own threads."""
        if metric == self.job.objective["MetricName"]:
            self._reports.put((number, value))
        self.job.wake.set()

    def _read_reports(self) -> None:
        trials = self.job.trials
        while True:
            try:
                number, value = self._reports.get_nowait()
            except Empty:
                return
            trial = trials[number]
            trial.series.append(value)
            gives_up = self._search.gives_up(number, len(trial.series), value)
            if (gives_up or self._falls_behind(trial, trials)) and not trial.job.ended:
                trial.job.request_stop()

    def _falls_behind(self, trial: Trial, trials: list[Trial]) -> bool:
        if self.job.config.get("TrainingJobEarlyStoppingType") != "Auto":
            return False
        previous = [found.series for found in trials if found.status is Status.COMPLETED]
        return is_falling_behind(trial.series, previous, maximize=self.job.maximize)

    def _stop_children(self) -> None:
        """Ask the training jobs that run to stop, and wait for them: each ends within its grace period."""
        running = [trial.job for trial in self.job.trials if not trial.job.ended]
        for child in running:
            child.request_stop()
        while any(not child.ended for child in running) and not self.is_closing():
            self.job.wake.wait(_LOOK_SECONDS)
            self.job.wake.clear()
