"""`ratchet reproduce`: make a version again and compare its weights."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from ratchet.cli.session import EXIT_NEGATIVE, AsJson, Session, exit_codes, start_session
from ratchet.compute.order import JobState, JobStatus
from ratchet.errors import JobError, NotFoundError, UnavailableError
from ratchet.laptop.process import poll_until
from ratchet.loop.place import Placed
from ratchet.loop.reproduce import Recipe, check_code, compare_weights, prepare_again, read_recipe, train_again
from ratchet.loop.watch import JobWatch
from ratchet.loop.workshop import Workshop
from ratchet.registry.weights import Distance

_POLL_SECONDS = 2.0
_MARGIN_SECONDS = 1800.0  # a machine has to be found first


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(reproduce)


def reproduce(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    version: Annotated[int, typer.Argument(min=1, help="Version number.")],
    *,
    tolerance: Annotated[float, typer.Option(min=0, help="Largest difference of a weight that is let pass.")] = 0.0,
    attempt: Annotated[int, typer.Option(min=1, help="Another number buys new jobs.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Make a version again from its recorded code, image, dataset version, parameters and seed; compare the weights.

    On a CPU with one thread (hyperparameter `threads: 1`) they are the same bit for bit; else give a tolerance.
    The new model is compared and not registered. Its jobs cost what the first ones did.

    Example: ratchet reproduce digits 2 --tolerance 0.001
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        workshop = _workshop_of(session, model)
        recipe = read_recipe(workshop, version, attempt=attempt)
        code = check_code(workshop, recipe.model)
        session.output.say(code)
        prepared = _await_job(session, workshop, prepare_again(workshop, recipe), recipe)
        trained = _await_job(session, workshop, train_again(workshop, recipe, prepared.name), recipe)
        distance = compare_weights(workshop, recipe.model, trained.name)
        reproduced = distance.identical or distance.largest <= tolerance
        session.output.say(_verdict(model, version, distance, tolerance))
        session.output.result(
            {
                "model": model,
                "version": version,
                "code": code,
                "jobs": [prepared.name, trained.name],
                "identical": distance.identical,
                "largest_difference": distance.largest if math.isfinite(distance.largest) else None,
                "where": distance.where,
                "tolerance": tolerance,
                "reproduced": reproduced,
            }
        )
        if not reproduced:
            raise typer.Exit(EXIT_NEGATIVE)


def _workshop_of(session: Session, model: str) -> Workshop:
    found = [pipeline for pipeline in session.pipelines if pipeline.model_name == model]
    if not found:
        known = ", ".join(sorted(pipeline.model_name for pipeline in session.pipelines)) or "none"
        raise NotFoundError(f"no pipeline makes a model {model!r}; there is: {known}")
    return session.workshop(found[0].name)


def _await_job(session: Session, workshop: Workshop, placed: Placed, recipe: Recipe) -> JobStatus:
    started, compute = placed.status, placed.placement.offer.compute
    epochs = recipe.training.hyperparameters.get("epochs", 0) if started.name.count("-train-") else 0
    watch = JobWatch(workshop, {"job": started.name, "epochs": epochs, "compute": compute})
    shown = ""
    for _ in poll_until(recipe.training.max_runtime_seconds + _MARGIN_SECONDS, _POLL_SECONDS):
        seen = watch.look()
        if seen.message != shown:
            session.output.say(seen.message)
        shown = seen.message
        if seen.done:
            status = workshop.backend_of(compute).poll(started.name)
            if status.state is not JobState.SUCCEEDED:
                raise JobError(f"job {status.name} ended as {status.state}: {status.message}")
            return status
    raise UnavailableError(f"job {started.name} has not ended in time; the same command goes on waiting for it")


def _verdict(model: str, version: int, distance: Distance, tolerance: float) -> str:
    if distance.identical:
        return f"{model} {version} was made again: its weights are the same bit for bit"
    if math.isinf(distance.largest):
        return f"{model} {version} was NOT made again: {distance.where} is there once, of another shape, or no number"
    word = "within" if distance.largest <= tolerance else "beyond"
    return (
        f"{model} {version}: the largest difference is {distance.largest:.3g}, in {distance.where}: "
        f"{word} the tolerance of {tolerance:g}"
    )
