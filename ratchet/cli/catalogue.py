"""`ratchet data list|show|diff|find|tag|describe|lineage|example`: the catalogue of dataset versions, and examples."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from ratchet.cli.output import plain
from ratchet.cli.session import EXIT_NEGATIVE, AsJson, Session, exit_codes, start_session
from ratchet.data import DatasetVersion, diff_manifests
from ratchet.errors import SpecError
from ratchet.laptop.example import EXAMPLES, write_example
from ratchet.loop.lineage import trace
from ratchet.loop.workshop import Workshop
from ratchet.naming import dataset_prefix, short

_SHOWN = 20
Dataset = Annotated[str, typer.Argument(help="Name of the dataset.")]
Version = Annotated[str, typer.Argument(help="Number of the version, or the beginning of its digest.")]


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    data = typer.Typer(help="Look at dataset versions.", no_args_is_help=True)
    for name, command in (
        ("list", list_versions),
        ("show", show),
        ("diff", diff),
        ("find", find),
        ("tag", tag),
        ("describe", describe),
        ("lineage", lineage),
        ("example", example),
    ):
        data.command(name)(command)
    app.add_typer(data, name="data")


def example(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(sorted(EXAMPLES))}.")],
    folder: Annotated[Path, typer.Argument(help="A folder for the files; made when it is not there.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Write real data, which an installed package ships, for the pipeline of `examples/<name>.yaml`.

    Example: ratchet data example languages ./data
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        count = write_example(name, folder)
        session.output.say(f"{count} examples are in {folder}; upload them with: ratchet push {name} {folder}")
        session.output.result({"name": name, "folder": str(folder), "examples": count})


def list_versions(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset; all by default.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """List dataset versions, the newest first.

    Example: ratchet data list digits
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        _tell(session, list(_shop(session).catalogue.find(dataset=dataset))[::-1])


def find(
    *,
    tag: Annotated[str, typer.Option(help="Only versions that have this tag.")] = "",
    since: Annotated[str, typer.Option(help="Only versions frozen then or later: 2030-01-31, or with a time.")] = "",
    dataset: Annotated[str, typer.Option(help="Only versions of this dataset.")] = "",
    as_json: AsJson = False,
) -> None:
    """Find dataset versions by tag, time and dataset, the oldest first.

    Example: ratchet data find --tag gold --since 2030-01-31
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        _tell(session, list(_shop(session).catalogue.find(tag=tag, since=since, dataset=dataset)))


def show(dataset: Dataset, version: Version, *, as_json: AsJson = False) -> None:
    """Show one version: how much of each class, its tags, why and when it was frozen.

    Example: ratchet data show digits 2
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        found = plain(_shop(session).catalogue.resolve(dataset, version))
        session.output.table(f"{dataset} {found['number']}", ("what", ""), list(found.items()))
        session.output.result(found)


def diff(dataset: Dataset, old: Version, new: Version, *, as_json: AsJson = False) -> None:
    """Say which objects were added, removed and changed between two versions, and the classes of both.

    Example: ratchet data diff digits 1 2
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        shop = _shop(session)
        sides = [shop.catalogue.resolve(dataset, name) for name in (old, new)]
        change = plain(diff_manifests(*(shop.datasets.read(dataset, side.version) for side in sides)))
        for kind in ("added", "removed", "changed"):
            keys = change[kind]
            session.output.say(f"{kind}: {len(keys)}")
            for key in keys[:_SHOWN]:
                session.output.say(f"  {key}")
            if len(keys) > _SHOWN:
                session.output.say(f"  and {len(keys) - _SHOWN} more; --json tells all")
        classes = sorted(set(change["old_histogram"]) | set(change["new_histogram"]))
        rows = [(name, change["old_histogram"].get(name, 0), change["new_histogram"].get(name, 0)) for name in classes]
        session.output.table("Classes", ("class", str(sides[0].number), str(sides[1].number)), rows)
        session.output.result({"dataset": dataset, "old": sides[0].version, "new": sides[1].version, **change})


def tag(
    dataset: Dataset,
    version: Version,
    tags: Annotated[list[str], typer.Argument(help="Tags to give.")] = [],  # noqa: B006 - typer reads it
    *,
    remove: Annotated[list[str], typer.Option(help="A tag to take away; may be given again.")] = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Give a version tags, or take them away.

    Example: ratchet data tag digits 2 gold --remove draft
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        if not tags and not remove:
            raise SpecError("name a tag to give, or one to take away with --remove")
        catalogue = _shop(session).catalogue
        found = catalogue.resolve(dataset, version)
        catalogue.tag(dataset, found.version, add=tuple(tags), remove=tuple(remove))
        _tell_one(session, catalogue.get(dataset, found.version))


def describe(
    dataset: Dataset,
    version: Version,
    text: Annotated[str, typer.Argument(help="What this version is.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Say in words what a version is.

    Example: ratchet data describe digits 2 "with the scans of March"
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        catalogue = _shop(session).catalogue
        found = catalogue.resolve(dataset, version)
        catalogue.describe(dataset, found.version, text)
        _tell_one(session, catalogue.get(dataset, found.version))


def lineage(
    key: Annotated[str, typer.Argument(help="An object: <dataset>/<label>/<file>, or its s3:// address.")],
    *,
    version_id: Annotated[str, typer.Option(help="Only this version of the object, by S3's id.")] = "",
    as_json: AsJson = False,
) -> None:
    """Name every dataset version that holds an object, every model made of one, and what serves them now.

    Example: ratchet data lineage digits/7/scan-0042.png
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        shops = [session.workshop(pipeline.name) for pipeline in session.pipelines] or [_shop(session)]
        dataset, name = _split(key)
        found = trace(shops, dataset, name, version_id)
        uses = [(use.version.number, short(use.version.version), use.entry.version_id) for use in found.uses]
        session.output.table(f"Versions of {dataset}", ("number", "digest", "version of the object"), uses)
        models = [(model.model, model.version, model.stage, short(model.digest)) for model in found.models]
        session.output.table("Models", ("model", "version", "stage", "digest"), models)
        served = [(one.target, one.model, one.version) for one in found.endpoints]
        session.output.table("Served now", ("target", "model", "version"), served)
        session.output.result({"dataset": dataset, "key": name, **_lineage_of(found)})
        if not found.uses:
            session.output.say(f"no version of {dataset} holds {name}")
            raise typer.Exit(EXIT_NEGATIVE)


def _lineage_of(found: Any) -> dict[str, Any]:
    return {
        "dataset_versions": [{**plain(use.version), "object": use.entry._asdict()} for use in found.uses],
        "models": plain(found.models),
        "endpoints": plain(found.endpoints),
    }


def _split(address: str) -> tuple[str, str]:
    key = address.removeprefix("s3://").partition("/")[2] if address.startswith("s3://") else address
    dataset, _, name = key.removeprefix(dataset_prefix("").rstrip("/") + "/").partition("/")
    if not dataset or not name:
        raise SpecError(f"{address!r} names no object of a dataset: give <dataset>/<label>/<file>")
    return dataset, name


def _shop(session: Session) -> Workshop:
    if not session.pipelines:
        raise SpecError(f"there is no pipeline in {session.settings.pipelines_folder}")
    return session.workshop(session.pipelines[0].name)


def _tell(session: Session, versions: Iterable[DatasetVersion]) -> None:
    rows = plain(list(versions))
    columns = ("dataset", "number", "version", "count", "total_bytes", "tags", "description", "created_at")
    cells = [[_cell(row, column) for column in columns] for row in rows]
    session.output.table("Dataset versions", [column.replace("_", " ") for column in columns], cells)
    session.output.result({"versions": rows})
    if not rows:
        session.output.say("no such dataset version")
        raise typer.Exit(EXIT_NEGATIVE)


def _tell_one(session: Session, version: DatasetVersion) -> None:
    tags = ", ".join(version.tags) or "no tags"
    text = f": {version.description}" if version.description else ""
    session.output.say(f"{version.dataset} {version.number} ({short(version.version)}) has {tags}{text}")
    session.output.result(version)


def _cell(row: dict[str, Any], column: str) -> Any:
    value = row[column]
    return short(value) if column == "version" else ", ".join(value) if column == "tags" else value
