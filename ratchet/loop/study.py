"""Tuning as the loop's training: start or find a study, see how far it is, keep what it found."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ratchet.compute.cost import find_price, tell_usd
from ratchet.compute.order import Channel, JobOrder
from ratchet.compute.placement import Offer
from ratchet.compute.tuner import TuningOrder
from ratchet.contract import canonical_json, digest_of
from ratchet.errors import JobError, SpecError
from ratchet.loop.order import Step, list_offers
from ratchet.loop.step import archive_uri, find_ancestor, keep_order, open_book
from ratchet.loop.study_store import find_last, find_study, jobs_bucket, keep_last, keep_study, read_study
from ratchet.loop.study_watch import find_progress
from ratchet.loop.ticket import Ticket
from ratchet.loop.workshop import Workshop
from ratchet.naming import order_key, study_key
from ratchet.spec import Training
from ratchet.tuning.budget import Limits, set_limits
from ratchet.tuning.space import study_order, tuning_config
from ratchet.tuning.study import Study, Trial
from ratchet.tuning_spec import Tuning

PROGRAM = "training/tune.py"
_SHOWN_FAILURES = 3


@dataclass(frozen=True)
class _Plan:
    """A study before it has a name: what every trial does, and how values are chosen."""

    tuning: Tuning
    order: JobOrder
    limits: Limits
    epochs: int | None


def begin_study(workshop: Workshop, run_id: str, state: Mapping[str, Any]) -> Study:
    """Start the study of a run, or find the one that an earlier try, or an earlier run, started.

    Parameters
    ----------
    state
        `ticket` and `prepare_job`, from the steps before.
    """
    book = open_book(workshop, Ticket.from_json(state["ticket"]), run_id)
    plan = _plan(workshop, book.training(archive_uri(workshop, str(state["prepare_job"])), find_ancestor(workshop)))
    draft = _draft(workshop, plan)
    parents = _find_parents(workshop, draft) if plan.tuning.warm_start.from_last else []
    name = _start(workshop, plan, draft, parents)
    known = find_study(workshop, name)
    if known is not None:
        return known
    keep_order(workshop, name, plan.order)
    study = replace(draft, name=name, parents=tuple(parent.name for parent in parents))
    keep_study(workshop, study)
    return study


def end_study(workshop: Workshop, name: str) -> Study:
    """Keep what a study found that has ended, however it did."""
    study = find_progress(workshop, read_study(workshop, name)).finish()
    keep_study(workshop, study)
    return study


def choose_best(workshop: Workshop, study: Study) -> Trial:
    """The best trial, once it is kept how its model is made again and that the next study may begin with this one.

    Raises
    ------
    JobError
        When no trial gave the objective.
    """
    best = study.best
    if best is None:
        raise JobError(f"no trial of {study.name} gave {study.metric}: {_explain(study.trials)}")
    order = JobOrder.from_json(json.loads(jobs_bucket(workshop).read(order_key(study.name))))
    made = replace(order, hyperparameters={**order.hyperparameters, **best.parameters})
    keep_order(workshop, best.job or study.name, made)
    keep_last(workshop, study)
    return best


def estimate_study(workshop: Workshop) -> str:
    """What the study may cost, in one sentence."""
    tuning, training, limits = _limits(workshop)
    price = find_price(workshop.settings.region, training.instance_type)
    if price is None:
        return f"unknown: there is no price of {training.instance_type} in {workshop.settings.region}"
    by_jobs = tuning.runs_jobs(training.compute)
    seconds = _longest(tuning, training, limits)
    usd = price.cost_usd(seconds, training.instance_count * (tuning.parallel if by_jobs else 1))
    if by_jobs and limits.jobs is not None:
        usd = min(usd, price.cost_usd(training.max_runtime_seconds, training.instance_count) * limits.jobs)
    trials = f"{tuning.combinations if tuning.strategy == 'grid' else limits.jobs or 'any number of'} trials"
    return f"at most {tell_usd(usd)} for {trials} on {training.instance_type} (list price of {price.as_of})"


def limit_seconds(workshop: Workshop) -> float:
    """How long a study may take."""
    return _longest(*_limits(workshop))


def _longest(tuning: Tuning, training: Training, limits: Limits) -> float:
    rounds: float = 1
    if tuning.runs_jobs(training.compute):
        count = tuning.combinations if tuning.strategy == "grid" else limits.jobs
        rounds = math.inf if count is None else math.ceil(count / tuning.parallel)
    return min(rounds * training.max_runtime_seconds, limits.seconds or math.inf)


def _limits(workshop: Workshop) -> tuple[Tuning, Training, Limits]:
    training, tuning = workshop.pipeline.training, workshop.pipeline.tuning
    if tuning is None:
        raise SpecError(f"{workshop.pipeline.name} has no `tuning:` in its file")
    price = find_price(workshop.settings.region, training.instance_type)
    limits = set_limits(
        tuning.budget,
        usd_per_hour=price.usd_per_hour * training.instance_count if price else None,
        at_once=tuning.parallel if tuning.runs_jobs(training.compute) else 1,
    )
    return tuning, training, limits


def _plan(workshop: Workshop, order: JobOrder) -> _Plan:
    tuning, training, limits = _limits(workshop)
    epochs = training.hyperparameters.get("epochs")
    metrics = tuple(dict.fromkeys((*order.metrics, tuning.objective.metric)))
    whole = int(epochs) if isinstance(epochs, int | float) else None
    return _Plan(tuning, replace(order, metrics=metrics), limits, whole)


def _draft(workshop: Workshop, plan: _Plan) -> Study:
    """The study without its name; its identity does not hang on what it begins with."""
    tuning, order = plan.tuning, plan.order
    by_jobs = tuning.runs_jobs(workshop.pipeline.training.compute)
    asked = study_order(tuning, plan.limits, epochs=plan.epochs)
    return Study(
        name="",
        pipeline=order.pipeline,
        identity=digest_of([order.digest, asked, by_jobs]),
        strategy=tuning.strategy,
        metric=tuning.objective.metric,
        maximize=tuning.maximizes,
        by_jobs=by_jobs,
        hyperparameters=tuple(sorted({*order.hyperparameters, *tuning.ranges})),
        inputs=digest_of([order.image_uri, [[channel.name, channel.uri] for channel in order.channels]]),
        limit=asked["jobs"],
    )


def _start(workshop: Workshop, plan: _Plan, draft: Study, parents: Sequence[Study]) -> str:
    tuning, order = plan.tuning, plan.order
    if draft.by_jobs:
        config = tuning_config(tuning, plan.limits, epochs=plan.epochs)
        names = [parent.name for parent in parents]
        same = bool(parents) and all(parent.inputs == draft.inputs for parent in parents)
        if plan.limits.seconds:
            order = replace(order, max_runtime_seconds=min(order.max_runtime_seconds, plan.limits.seconds))
        return workshop.tuner.start(TuningOrder(_offer(workshop).fit(order), config, draft.identity, names, same)).name
    if any(workshop.source_folder.glob("training/*.py")) and not (workshop.source_folder / PROGRAM).is_file():
        raise SpecError(
            f"{workshop.source_folder} has no {PROGRAM}, which runs trials as processes: see docs/tuning.md, or let "
            "each trial be a job (tuning.trials: jobs)"
        )
    asked = study_order(tuning, plan.limits, epochs=plan.epochs)
    told = {"study": canonical_json(asked).decode(), "trial-program": order.program}
    before = [
        Channel("study", jobs_bucket(workshop).uri(study_key(draft.pipeline, p.name, "json"))) for p in parents[:1]
    ]
    order = replace(
        order,
        program=PROGRAM,
        hyperparameters={**order.hyperparameters, **told},
        channels=(*order.channels, *before),
    )
    return workshop.backend.start(_offer(workshop).fit(order)).name


def _offer(workshop: Workshop) -> Offer:
    """The machine of every trial; a study stays on it."""
    return list_offers(workshop.pipeline, Step.TRAIN)[0]


def _find_parents(workshop: Workshop, draft: Study) -> list[Study]:
    """The pipeline's last study, if what it found says something to this one.

    A study that is found again begins with what it began with, though it may be the last one itself by now.
    """
    last = find_last(workshop)
    names = last.get("parents", []) if last.get("identity") == draft.identity else [last.get("study", "")]
    found = [find_study(workshop, name) for name in names if name]
    # SageMaker takes no parent that was a plain training job.
    return [study for study in found if study and study.is_usable_for(draft) and (study.by_jobs or not draft.by_jobs)]


def _explain(trials: Sequence[Trial]) -> str:
    reasons = list(dict.fromkeys(trial.message for trial in trials if trial.message))[:_SHOWN_FAILURES]
    return "; ".join(reasons) or "its program prints no such metric, see docs/tuning.md"
