"""`ratchet study`: what a search for hyperparameters has tried and found."""

from __future__ import annotations

from typing import Annotated

import typer

from ratchet.cli.run import PipelineName
from ratchet.cli.session import EXIT_NEGATIVE, AsJson, exit_codes, start_session
from ratchet.compute.cost import tell_usd
from ratchet.loop.study_store import read_study
from ratchet.loop.study_watch import find_progress
from ratchet.tuning.importance import rate_parameters
from ratchet.tuning.study import Study, Trial, tell_value


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command("study")(show_study)


def show_study(
    pipeline: PipelineName,
    *,
    name: Annotated[str, typer.Option("--study", help="Which study; the one that ended last by default.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show a study: every trial, what each hyperparameter says, the best, and where its page is.

    A study that still runs is shown as it is now. Its name is on the task's page and in `ratchet models show`.

    Example: ratchet study digits --json
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        workshop = session.workshop(pipeline)
        study = read_study(workshop, name)
        if not study.ended_at:
            progress = find_progress(workshop, study)
            progress.look()
            study = progress.study
        columns, rows = _table(study)
        session.output.table(f"Study {study.name}", columns, rows)
        rated = rate_parameters(study.trials)
        session.output.table("Importance", ("hyperparameter", "share"), [(k, f"{v:.0%}") for k, v in rated.items()])
        page = workshop.study_page(study.name)
        spent = f", {tell_usd(study.usd)}" if study.usd is not None else ""
        session.output.say(f"{study.state}: {study.tell()}{spent}\n{page}")
        session.output.result({**study.to_json(), "importance": rated, "page": page})
        if study.best is None:
            raise typer.Exit(EXIT_NEGATIVE)


def _table(study: Study) -> tuple[list[str], list[list[str]]]:
    names = list(dict.fromkeys(name for trial in study.trials for name in trial.parameters))
    best = study.best
    columns = ["trial", "state", study.metric, *names, "seconds", "USD", "job or reason"]
    return columns, [_row(trial, names, starred=trial is best) for trial in study.trials]


def _row(trial: Trial, names: list[str], *, starred: bool) -> list[str]:
    return [
        f"{trial.number}{' *' if starred else ''}",
        trial.state.value,
        "" if trial.objective is None else f"{trial.objective:.6g}",
        *(tell_value(trial.parameters.get(name, "")) for name in names),
        "" if trial.seconds is None else f"{trial.seconds:.0f}",
        "" if trial.cost_usd is None else f"{trial.cost_usd:.4f}",
        trial.message or trial.job,
    ]
