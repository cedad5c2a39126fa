"""Brings the released model here: copy, check the digest, unpack, check the manifest, read the signature."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Callable, ContextManager, Iterator, Mapping, Optional
from urllib.parse import unquote, urlsplit

from inference.failure import ModelError, StoreError
from inference.signature import check_signature
from ratchet import contract

_CHUNK_BYTES = 1024 * 1024
_ATTEMPTS = 3

Opener = Callable[[str], ContextManager[IO[bytes]]]


@dataclass(frozen=True)
class Identity:
    """Which model answers: the name, version and archive digest that every answer carries."""

    name: str
    version: str
    digest: str

    def to_json(self) -> Mapping[str, str]:
        """The `model` part of a JSON answer."""
        return {"name": self.name, "version": self.version, "digest": self.digest}


@dataclass(frozen=True)
class Release:
    """The model that the environment names: where its archive is and what it must be."""

    uri: str
    identity: Identity


@dataclass(frozen=True)
class Artefact:
    """An unpacked, verified model. The folder lives as long as the `opened` block that made it."""

    folder: Path
    signature: contract.Signature
    identity: Identity


def read_release(environment: Mapping[str, str]) -> Optional[Release]:
    """The release that the environment describes; None when no model has been released yet.

    Raises
    ------
    ModelError
        When an address is given without the digest that its archive must have.
    """
    described = contract.describe_model(environment)
    if described is None:
        return None
    digest = described["digest"].lower()
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise ModelError("%s must hold the archive's SHA-256 in hexadecimal" % contract.ENV_MODEL_SHA256)
    return Release(described["uri"], Identity(described["name"], described["version"], digest))


@contextlib.contextmanager
def opened(
    release: Release, open_uri: Optional[Opener] = None, *, max_bytes: int = contract.MAX_ARCHIVE_BYTES
) -> Iterator[Artefact]:
    """Hold a verified model in a temporary folder for the length of a `with` block.

    Parameters
    ----------
    release
        What to bring and what it must be.
    open_uri
        Opens an address as a binary stream; by default files and `s3://`.
    max_bytes
        Bound on the archive, and on what it unpacks to, in bytes.

    Raises
    ------
    StoreError
        When the archive cannot be read from where it is.
    ModelError
        When it is not what the release says, or breaks the contract.
    """
    with tempfile.TemporaryDirectory(prefix="ratchet-model-") as scratch:
        archive = Path(scratch) / contract.ARCHIVE_FILE
        folder = Path(scratch) / "model"
        folder.mkdir()
        _bring(release, open_uri or _open_uri, archive, max_bytes)
        try:
            contract.unpack_archive(archive, folder, max_bytes)
            archive.unlink()
            contract.verify_manifest(folder)
            signature = _read_signature(folder)
        except contract.ContractError as error:
            raise ModelError("model %s is refused: %s" % (release.uri, error)) from error
        yield Artefact(folder, signature, release.identity)


def _bring(release: Release, open_uri: Opener, archive: Path, max_bytes: int) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            actual = _copy(open_uri, release.uri, archive, max_bytes)
            break
        except StoreError:
            if attempt == _ATTEMPTS:
                raise
    if actual != release.identity.digest:
        raise ModelError(
            "model %s is refused: its archive has SHA-256 %s, the release says %s"
            % (release.uri, actual, release.identity.digest)
        )


def _copy(open_uri: Opener, uri: str, archive: Path, max_bytes: int) -> str:
    digest, left = hashlib.sha256(), max_bytes
    with open_uri(uri) as source, archive.open("wb") as sink:
        while True:
            chunk = source.read(_CHUNK_BYTES)
            if not chunk:
                return digest.hexdigest()
            left -= len(chunk)
            if left < 0:
                raise ModelError("model %s is refused: it is larger than %d bytes" % (uri, max_bytes))
            digest.update(chunk)
            sink.write(chunk)


def _read_signature(folder: Path) -> contract.Signature:
    try:
        raw = json.loads((folder / contract.SIGNATURE_FILE).read_text("utf-8"))
        signature = contract.Signature.from_json(raw)
    except (ValueError, TypeError, AttributeError) as error:
        raise contract.ContractError("%s cannot be read: %s" % (contract.SIGNATURE_FILE, error)) from error
    check_signature(signature, contract.read_labels(folder))
    return signature


@contextlib.contextmanager
def _open_uri(uri: str) -> Iterator[IO[bytes]]:
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        with _open_s3(parts.netloc, parts.path.lstrip("/")) as stream:
            yield stream
    elif parts.scheme in ("", "file"):
        try:
            with Path(unquote(parts.path) if parts.scheme else uri).open("rb") as stream:
                yield stream
        except OSError as error:
            raise StoreError("model %s cannot be read: %s" % (uri, error)) from error
    else:
        raise ModelError("model %s is refused: only s3:// addresses and files are served" % uri)


@contextlib.contextmanager
def _open_s3(bucket: str, key: str) -> Iterator[IO[bytes]]:
    # Half a second to import, and a model baked into an image needs none of it.
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from urllib3.exceptions import HTTPError

    retries: Any = {"max_attempts": 5, "mode": "standard"}
    try:
        client = boto3.client("s3", config=Config(connect_timeout=5, read_timeout=30, retries=retries))
        yield client.get_object(Bucket=bucket, Key=key)["Body"]
    except (BotoCoreError, ClientError, HTTPClientError, HTTPError) as error:
        raise StoreError("model s3://%s/%s cannot be read: %s" % (bucket, key, error)) from error
