"""`ratchet models list|show|diff`: the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ratchet.cli.output import plain
from ratchet.cli.session import EXIT_NEGATIVE, AsJson, Session, exit_codes, start_session
from ratchet.data import diff_manifests
from ratchet.errors import NotFoundError
from ratchet.loop.workshop import Workshop
from ratchet.naming import short
from ratchet.registry import ModelVersion

_KEYS = {
    "dataset": "dataset_version",
    "created": "created_at",
    "on newest split": "newest_split_accuracy",
    "USD": "cost_usd",
}
Pipeline = Annotated[str, typer.Option("--pipeline", "-p", help="Whose models; all pipelines' by default.")]
Version = Annotated[int, typer.Argument(min=1, help="Version number.")]


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    models = typer.Typer(help="Look at model versions.", no_args_is_help=True)
    models.command("list")(list_models)
    models.command("show")(show_model)
    models.command("diff")(diff_models)
    app.add_typer(models, name="models")


def list_models(*, pipeline: Pipeline = "", as_json: AsJson = False) -> None:
    """List every version with its stage and its accuracy on the frozen test split.

    Example: ratchet models list --json
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        names = [pipeline] if pipeline else [found.name for found in session.pipelines]
        rows = [row for name in names for row in describe_models(session.workshop(name))]
        columns = ("model", "version", "stage", "accuracy", "on newest split", "USD", "dataset", "digest", "created")
        session.output.table("Models", columns, [[_cell(row, column) for column in columns] for row in rows])
        session.output.result({"models": rows})
        if not rows:
            session.output.say("no models yet")
            raise typer.Exit(EXIT_NEGATIVE)


def show_model(
    version: Version,
    *,
    pipeline: Pipeline = "",
    as_json: AsJson = False,
) -> None:
    """Show one version whole, its decision and its history.

    Example: ratchet models show 2
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        workshop = _workshop(session, pipeline)
        model = workshop.registry.get(workshop.pipeline.model_name, version)
        history = [event for event in workshop.registry.history(model.model) if event.version == version]
        record = {"model": plain(model), "history": plain(history)}
        session.output.table(
            f"{model.model} {version}",
            ("what", ""),
            [(key, value) for key, value in record["model"].items() if key not in ("evaluation", "provenance")]
            + list(record["model"]["provenance"].items()),
        )
        session.output.table(
            "History", ("at", "what", "who", "why"), [(e.at, e.kind, e.actor, e.detail) for e in history]
        )
        session.output.result(record)


def diff_models(old: Version, new: Version, *, pipeline: Pipeline = "", as_json: AsJson = False) -> None:
    """Say what is different between two versions: figures, data, parameters, code.

    Example: ratchet models diff 1 2
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        workshop = _workshop(session, pipeline)
        left, right = (workshop.registry.get(workshop.pipeline.model_name, number) for number in (old, new))
        changes = compare(workshop, left, right)
        session.output.table(
            f"{left.model}: {old} to {new}", ("what", str(old), str(new)), [(k, v[0], v[1]) for k, v in changes.items()]
        )
        session.output.result({"model": left.model, "old": old, "new": new, "changes": changes})


def describe_models(workshop: Workshop) -> list[dict[str, Any]]:
    """One row a version, oldest first.

    `accuracy` is on the test split of the version's own dataset; `newest_split_accuracy` is on the newest one, for
    those that were measured on it: two versions are compared by that alone.
    """
    versions = workshop.registry.list(workshop.pipeline.model_name)[::-1]
    comparable = _on_newest_split(versions)
    return [
        {
            "model": version.model,
            "version": version.version,
            "stage": version.stage.value,
            "accuracy": version.evaluation.get("challenger", {}).get("accuracy"),
            "newest_split_accuracy": comparable.get(version.version),
            "champion_version": version.evaluation.get("champion_version"),
            "champion_accuracy": (version.evaluation.get("champion") or {}).get("accuracy"),
            "test_split": version.evaluation.get("test_split"),
            "dataset_version": version.provenance.dataset_version,
            "digest": version.digest,
            "uri": version.uri,
            "cost_usd": version.provenance.cost_usd,
            "reason": version.reason,
            "created_at": version.created_at,
        }
        for version in versions
    ]


def _on_newest_split(versions: Sequence[ModelVersion]) -> dict[int, float]:
    newest = next((version.evaluation for version in reversed(versions) if version.evaluation), None)
    if newest is None:
        return {}
    split = newest["test_split"]
    own = {
        v.version: v.evaluation["challenger"]["accuracy"] for v in versions if v.evaluation.get("test_split") == split
    }
    rival = newest.get("champion_version")
    return own if rival is None else {rival: newest["champion"]["accuracy"]} | own


def compare(workshop: Workshop, left: ModelVersion, right: ModelVersion) -> dict[str, tuple[Any, Any]]:
    """What differs, as pairs of old and new."""
    flat = [_flatten(version) for version in (left, right)]
    keys = sorted(set(flat[0]) | set(flat[1]))
    changes = {key: (flat[0].get(key), flat[1].get(key)) for key in keys if flat[0].get(key) != flat[1].get(key)}
    if left.provenance.dataset_version != right.provenance.dataset_version:
        dataset = workshop.pipeline.data.dataset
        manifests = [workshop.datasets.read(dataset, v.provenance.dataset_version) for v in (left, right)]
        change = diff_manifests(*manifests)
        changes["images"] = (len(manifests[0].objects), len(manifests[1].objects))
        changes["images added/removed/changed"] = (
            None,
            f"{len(change.added)}/{len(change.removed)}/{len(change.changed)}",
        )
    return changes


def _flatten(version: ModelVersion) -> dict[str, Any]:
    provenance: dict[str, Any] = plain(version.provenance)
    parameters = {f"hyperparameter {key}": value for key, value in provenance.pop("hyperparameters").items()}
    figures = {f"test {key}": value for key, value in version.evaluation.get("challenger", {}).items()}
    own: dict[str, Any] = {"stage": version.stage.value, "digest": version.digest}
    return figures | parameters | provenance | own


def _workshop(session: Session, pipeline: str) -> Workshop:
    if not pipeline and len(session.pipelines) != 1:
        names = ", ".join(found.name for found in session.pipelines) or "none"
        raise NotFoundError(f"say whose model with --pipeline: {names}")
    return session.workshop(pipeline or session.pipelines[0].name)


def _cell(row: dict[str, Any], column: str) -> Any:
    value = row[_KEYS.get(column, column)]
    if column in ("dataset", "digest"):
        return short(value)
    return f"{value:.4f}" if isinstance(value, float) else value
