"""`ratchet status`: what is live where, since when, and what waits for a person."""

from __future__ import annotations

from typing import Any

import typer

from ratchet.cli.gate import waiting_digest
from ratchet.cli.run import dag_of
from ratchet.cli.session import EXIT_NEGATIVE, AsJson, Person, Session, exit_codes, start_session
from ratchet.errors import RatchetError
from ratchet.naming import Alias, short
from ratchet.rollout import live_status


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(status)


def status(*, person: Person = "admin", as_json: AsJson = False) -> None:
    """Show every pipeline's champion, its approver, the live targets and what waits.

    Example: ratchet status --json
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        rows = [describe_pipeline(session, pipeline.name) for pipeline in session.pipelines]
        columns = ("pipeline", "champion", "digest", "dataset", "approved by", "live", "since")
        session.output.table("Status", columns, [_row(entry) for entry in rows])
        waiting = _waiting(session, person)
        for gate in waiting:
            session.output.say(f"waiting for approval: {gate['pipeline']} {short(gate['digest'])} {gate['link']}")
        for what, page in (rows[0]["pages"] if rows else {}).items():
            session.output.say(f"{what}: {page}")
        links = {
            "airflow": session.settings.airflow_url,
            "console": session.settings.console_url,
            "service": rows[0]["service_url"] if rows else None,
        }
        session.output.result({"pipelines": rows, "waiting": waiting, "links": links})
        if not any(row["champion"] for row in rows):
            session.output.say("no model is live yet; `ratchet push DATASET DIR` starts a pipeline")
            raise typer.Exit(EXIT_NEGATIVE)


def describe_pipeline(session: Session, name: str) -> dict[str, Any]:
    """Everything that `status` tells about one pipeline."""
    workshop = session.workshop(name)
    model = workshop.pipeline.model_name
    champion = workshop.registry.champion(model)
    about: dict[str, Any] = {
        "pipeline": name,
        "model": model,
        "service_url": workshop.deployment.service_url,
        "pages": workshop.serving_pages(),
        "targets": live_status(workshop.aws, workshop.deployment, workshop.pipeline.release.targets),
        "champion": None,
    }
    if champion is not None:
        decision = workshop.approvals.require(model, champion.version, champion.digest)
        alias = workshop.registry.alias(model, Alias.CHAMPION)
        about["champion"] = {
            "version": champion.version,
            "digest": champion.digest,
            "dataset_version": champion.provenance.dataset_version,
            "metrics": champion.evaluation.get("challenger", {}),
            "approver": decision.who,
            "since": alias.since if alias else None,
        }
    return about


def _row(about: dict[str, Any]) -> list[Any]:
    champion = about["champion"]
    live = ", ".join(f"{target}: {state.get('version') or 'none'}" for target, state in about["targets"].items())
    if champion is None:
        return [about["pipeline"], "none", "", "", "", live, ""]
    return [
        about["pipeline"],
        champion["version"],
        short(champion["digest"]),
        short(champion["dataset_version"]),
        champion["approver"],
        live,
        champion["since"],
    ]


def _waiting(session: Session, person: str) -> list[dict[str, Any]]:
    """Return the gates that wait; Airflow being away is said, and does not hide the rest."""
    try:
        airflow = session.airflow(person)
        found = [gate for pipeline in session.pipelines for gate in airflow.waiting(dag_of(pipeline.name))]
    except RatchetError as error:
        session.output.warn(f"cannot ask Airflow what waits: {error}")
        return []
    return [
        {
            "pipeline": gate["task_instance"]["dag_id"].removeprefix("retrain_"),
            "run": gate["task_instance"]["dag_run_id"],
            "subject": gate["subject"],
            "digest": waiting_digest(gate),
            "link": f"{session.settings.airflow_url}/required_actions",
        }
        for gate in found
    ]
