"""`ratchet run`, `ratchet runs`, `ratchet logs`: start a pipeline and look at it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ratchet.cli.airflow import Airflow
from ratchet.cli.session import EXIT_NEGATIVE, AsJson, Person, Session, exit_codes, start_session
from ratchet.errors import NotFoundError, SpecError
from ratchet.loop.request import read_request
from ratchet.settings import load_settings
from ratchet.spec import load_pipelines

PipelineName = Annotated[str, typer.Argument(help="Name of the pipeline.", autocompletion=lambda: _pipeline_names())]


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(run)
    app.command()(runs)
    app.command()(logs)


def dag_of(pipeline: str) -> str:
    """The DAG of a pipeline."""
    return f"retrain_{pipeline}"


def run(  # noqa: PLR0913 - one for each thing that a run may be asked
    pipeline: PipelineName,
    *,
    dataset_version: Annotated[
        str, typer.Option(help="Train this version, or the one that begins like this; empty means what S3 holds now.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Also when it is trained already; needs a reason.")] = False,
    no_reuse: Annotated[
        bool, typer.Option("--no-reuse", help="Buy every job anew instead of taking an earlier run's result.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Kept with the run.")] = "",
    person: Person = "admin",
    as_json: AsJson = False,
) -> None:
    """Start the pipeline's loop.

    Example: ratchet run digits --force --reason "new augmentation"
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        known = [found.name for found in session.pipelines]
        if pipeline not in known:
            raise NotFoundError(f"no pipeline {pipeline!r}; there is: {', '.join(known) or 'none'}")
        version = find_version(session, pipeline, dataset_version) if dataset_version else ""
        conf = {"dataset_version": version, "force": force, "no_reuse": no_reuse, "reason": reason}
        read_request(conf, run_id="")  # the run itself would refuse it too, but later
        run_id = session.airflow(person).trigger(dag_of(pipeline), conf)
        link = session.settings.run_page(dag_of(pipeline), run_id)
        session.output.say(f"started {run_id}\n{link}")
        session.output.result({"run": run_id, "dag": dag_of(pipeline), "link": link})


def find_version(session: Session, pipeline: str, begins: str) -> str:
    """The one version of a pipeline's dataset that begins like this; `NotFoundError` lists the newest."""
    workshop = session.workshop(pipeline)
    dataset = workshop.pipeline.data.dataset
    known = [row.version for row in workshop.datasets.list_versions(dataset)]
    found = [version for version in known if version.startswith(begins)]
    if len(found) == 1:
        return found[0]
    newest = ", ".join(version[:12] for version in (found or known)[:5]) or "none"
    what = f"more than one version that begins with {begins!r}" if found else f"no version {begins!r}"
    raise NotFoundError(f"the dataset {dataset} has {what}; there is: {newest}")


def runs(
    pipeline: Annotated[str, typer.Argument(help="Only this pipeline's.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    person: Person = "admin",
    as_json: AsJson = False,
) -> None:
    """List the newest runs with what each is at.

    Example: ratchet runs digits
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        airflow = session.airflow(person)
        found = airflow.runs(dag_of(pipeline) if pipeline else "~", limit)
        rows = [describe_run(session, airflow, entry) for entry in found]
        columns = ("pipeline", "run", "trigger", "state", "at", "why", "started")
        session.output.table("Runs", columns, [[row[column] for column in columns] for row in rows])
        session.output.result({"runs": rows})
        if not rows:
            session.output.say("no runs yet; `ratchet push` or `ratchet run` starts one")
            raise typer.Exit(EXIT_NEGATIVE)


def logs(
    pipeline: PipelineName,
    *,
    task: Annotated[str, typer.Option(help="freeze, check, prepare, train, register, evaluate, decide, ...")] = "train",
    run_id: Annotated[str, typer.Option("--run", help="Run id; the newest by default.")] = "",
    person: Person = "admin",
    as_json: AsJson = False,
) -> None:
    """Print a task's log, remote job's lines included.

    Example: ratchet logs digits --task train
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        airflow = session.airflow(person)
        chosen = run_id or newest_run(airflow.runs(dag_of(pipeline), 1))
        entry = next((t for t in airflow.tasks(dag_of(pipeline), chosen) if t["task_id"] == task), None)
        if entry is None:
            raise NotFoundError(f"run {chosen} has no task {task!r}")
        lines = airflow.task_log(dag_of(pipeline), chosen, task, max(1, entry["try_number"]))
        for line in lines if not as_json else ():
            session.output.say(line)
        session.output.result({"run": chosen, "task": task, "state": entry["state"], "lines": lines})


def newest_run(found: list[dict[str, Any]]) -> str:
    """Id of the newest run."""
    if not found:
        raise NotFoundError("there is no run yet; `ratchet push` or `ratchet run` starts one")
    return str(found[0]["dag_run_id"])


def describe_run(session: Session, airflow: Airflow, entry: dict[str, Any]) -> dict[str, Any]:
    """One row about a run: its state, the task it is at, and why it trains or has nothing to do."""
    tasks = airflow.tasks(entry["dag_id"], entry["dag_run_id"])
    began = any(task["task_id"] == "freeze" and task["state"] in ("success", "skipped") for task in tasks)
    busy = [task["task_id"] for task in tasks if task["state"] not in (None, "success", "skipped", "upstream_failed")]
    return {
        "pipeline": entry["dag_id"].removeprefix("retrain_"),
        "run": entry["dag_run_id"],
        "trigger": entry["run_type"],
        "state": entry["state"],
        "at": ", ".join(busy),
        "why": str(airflow.left(entry["dag_id"], entry["dag_run_id"], "freeze", "reason") or "") if began else "",
        "started": entry["start_date"],
        "link": session.settings.run_page(entry["dag_id"], entry["dag_run_id"]),
    }


def _pipeline_names() -> list[str]:
    try:
        return [found.name for found in load_pipelines(load_settings().pipelines_folder)]
    except SpecError:
        # The command itself says what is wrong; a shell that completes a word cannot.
        return []
