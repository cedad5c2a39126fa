"""How an archive becomes a version: verified first, numbered once, stored once, whoever repeats it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ratchet.aws import Bucket, create, replace
from ratchet.contract import PARAMS_FILE, ContractError, sha256_file, unpack_archive, verify_manifest
from ratchet.errors import ArtefactError, SpecError
from ratchet.naming import artefact_key, artefact_sk, model_pk
from ratchet.registry.chronicle import Change, Chronicle
from ratchet.registry.history import EventKind, Head
from ratchet.registry.record import Birth, artefact_item, index_item, new_version_item
from ratchet.registry.version import Provenance
from ratchet.registry.weights import find_strange, read_weights

_MODEL_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")


@dataclass(frozen=True)
class Candidate:
    """An archive that wants to be a version, and what is known about it."""

    model: str
    archive: Path
    provenance: Provenance
    metrics: Mapping[str, float]
    writer: str


def inspect_archive(archive: Path) -> str:
    """Check that an archive keeps the contract and return its SHA-256; `ArtefactError` says which rule it breaks."""
    with tempfile.TemporaryDirectory(prefix="ratchet-") as folder:
        try:
            unpack_archive(archive, Path(folder))
            verify_manifest(Path(folder))
        except ContractError as error:
            raise ArtefactError(f"{archive.name} is not registered: {error}") from error
    return sha256_file(archive)


def require_numbers(archive: Path) -> None:
    """Refuse a model whose weights are not all finite numbers: it would answer with nothing but NaN.

    Raises
    ------
    ArtefactError
        Names the first such array; also when the weights cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="ratchet-") as folder:
        try:
            unpack_archive(archive, Path(folder))
            verify_manifest(Path(folder))
        except ContractError as error:
            raise ArtefactError(f"{archive.name} is not registered: {error}") from error
        strange = find_strange(read_weights(Path(folder, PARAMS_FILE).read_bytes()))
    if strange:
        raise ArtefactError(
            f"{archive.name} is not registered: its weights are no numbers (NaN or infinite), first in {strange!r}. "
            "The training diverged: lower the learning rate, or look for such values in the data"
        )


def number_version(chronicle: Chronicle, bucket: Bucket, candidate: Candidate, digest: str) -> int:
    """Give the archive the next number of its model, or find the number that it has."""
    model = candidate.model
    if not _MODEL_NAME.fullmatch(model):
        raise SpecError(f"{model!r} is no model name: small letters, digits and hyphens, at most 30, a letter first")

    def decide(head: Head) -> Change | None:
        if chronicle.table.find(model_pk(model), artefact_sk(digest)) is not None:
            return None
        version = head.last_version + 1
        birth = Birth(
            model,
            version,
            digest,
            uri=bucket.uri(artefact_key(model, version)),
            provenance=candidate.provenance,
            metrics=candidate.metrics,
            at=chronicle.now(),
            writer=candidate.writer,
        )
        return Change(
            chronicle.happening(EventKind.REGISTERED, version, candidate.writer, digest=digest),
            writes=(
                create(new_version_item(birth)),
                create(artefact_item(model, version, digest)),
                *([create(index_item(model, birth.at))] if version == 1 else []),
            ),
            last_version=version,
        )

    chronicle.commit(model, decide, f"register {candidate.archive.name} as a version of {model}")
    item = chronicle.table.find(model_pk(model), artefact_sk(digest))
    if item is None:
        raise ArtefactError(f"the archive {digest[:12]} was registered for {model} and is gone: the table was changed")
    return int(item["version"])


def store_archive(chronicle: Chronicle, bucket: Bucket, candidate: Candidate, version: int) -> None:
    """Upload the archive under its version and note S3's version id; what was stored before is left alone."""
    model = candidate.model
    if chronicle.version_item(model, version)["s3_version_id"] is not None:
        return
    stored = bucket.put_once(artefact_key(model, version), candidate.archive, content_type="application/gzip")

    def decide(_: Head) -> Change | None:
        item = chronicle.version_item(model, version)
        if item["s3_version_id"] == stored.version_id:
            return None
        after = {**item, "s3_version_id": stored.version_id, "updated_at": chronicle.now()}
        happening = chronicle.happening(
            EventKind.STORED, version, candidate.writer, uri=stored.uri, s3_version_id=stored.version_id
        )
        return Change(happening, (replace(item, after),))

    chronicle.commit(model, decide, f"note where {model} {version} is stored")
