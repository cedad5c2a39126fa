"""A model is brought, checked and unpacked, or refused with a reason; no network, no MXNet."""

import hashlib
import io
import json
import os
import tarfile
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from inference import store
from inference.failure import ModelError, StoreError
from ratchet import contract

LABELS = ("a", "b")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "artefact"
    made.mkdir()
    signature = contract.Signature(1, 4, 4, LABELS, mean=(0.0,), std=(1.0,))
    (made / contract.SYMBOL_FILE).write_text("{}")
    (made / contract.PARAMS_FILE).write_bytes(os.urandom(4096))
    (made / contract.SIGNATURE_FILE).write_text(json.dumps(signature.to_json()))
    (made / contract.LABELS_FILE).write_text("a\nb\n")
    (made / contract.METRICS_FILE).write_text("{}")
    contract.write_manifest(made)
    return made


def pack(folder: Path, *more: tarfile.TarInfo) -> Path:
    archive = folder.with_suffix(".tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)
        for member in more:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return archive


def release_of(archive: Path, uri: str = "") -> store.Release:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return store.Release(uri or str(archive), store.Identity("digits", "7", digest))


def refusal(release: store.Release, **options: int) -> str:
    with pytest.raises(ModelError) as caught, store.opened(release, **options):
        pass
    return str(caught.value)


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, target
    return info


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_verified_model_is_there_for_as_long_as_it_is_open(folder: Path, prefix: str) -> None:
    archive = pack(folder)
    with store.opened(release_of(archive, prefix + str(archive))) as artefact:
        assert artefact.signature.labels == LABELS
        assert (artefact.folder / contract.PARAMS_FILE).read_bytes() == (folder / contract.PARAMS_FILE).read_bytes()
        assert artefact.identity.version == "7"
    assert not artefact.folder.exists()


def test_an_archive_with_another_digest_is_refused_unopened(folder: Path) -> None:
    archive = pack(folder)
    release = release_of(archive)
    archive.write_bytes(archive.read_bytes() + b"\0")
    assert "the release says " + release.identity.digest in refusal(release)


@pytest.mark.parametrize("name", contract.ARTEFACT_FILES)
def test_one_changed_byte_in_any_file_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    assert name in refusal(release_of(pack(folder)))


@pytest.mark.parametrize("name", [*contract.ARTEFACT_FILES, contract.MANIFEST_FILE])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert "is refused" in refusal(release_of(pack(folder)))


@pytest.mark.parametrize(
    "hostile",
    [
        member("../escaped", size=3),
        member("/tmp/escaped", size=3),
        member("sub/../../escaped", size=3),
        member("..", kind=tarfile.DIRTYPE),
        member("link", kind=tarfile.SYMTYPE, target="/etc/passwd"),
        member("link", kind=tarfile.LNKTYPE, target="../../etc/passwd"),
        member("device", kind=tarfile.CHRTYPE),
        member("pipe", kind=tarfile.FIFOTYPE),
        member("extra.py", size=3),
        member(contract.SYMBOL_FILE, size=3),
    ],
    ids=lambda info: f"{info.name}-{info.type.decode()}",
)
def test_a_hostile_archive_is_refused_and_writes_nothing_elsewhere(
    folder: Path, hostile: tarfile.TarInfo, tmp_path: Path
) -> None:
    archive = pack(folder, hostile)
    before = sorted(tmp_path.rglob("*"))
    assert "is refused" in refusal(release_of(archive))
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/escaped").exists()


def test_an_archive_that_unpacks_to_too_much_is_refused(folder: Path) -> None:
    archive = pack(folder, member("bomb", size=3_000_000))
    assert archive.stat().st_size < 100_000
    assert "more than it may" in refusal(release_of(archive), max_bytes=1_000_000)


def test_an_archive_over_the_limit_is_not_read_to_its_end(folder: Path) -> None:
    assert "larger than 100 bytes" in refusal(release_of(pack(folder)), max_bytes=100)


def test_a_signature_of_a_newer_contract_is_refused(folder: Path) -> None:
    raw = json.loads((folder / contract.SIGNATURE_FILE).read_text())
    (folder / contract.SIGNATURE_FILE).write_text(json.dumps({**raw, "contract_version": 99}))
    contract.write_manifest(folder)
    assert "newer Ratchet" in refusal(release_of(pack(folder)))


@pytest.mark.parametrize("text", ["[]", "null", "{", '{"contract_version": []}'])
def test_a_signature_that_is_no_object_is_refused(folder: Path, text: str) -> None:
    (folder / contract.SIGNATURE_FILE).write_text(text)
    contract.write_manifest(folder)
    assert "signature.json" in refusal(release_of(pack(folder)))


@pytest.mark.parametrize("uri", ["https://models.example/model.tar.gz", "pickle://x"])
def test_other_addresses_than_s3_and_files_are_refused(folder: Path, uri: str) -> None:
    assert "only s3://" in refusal(release_of(pack(folder), uri))


def test_a_model_comes_from_s3(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_credentials(monkeypatch)
    archive = pack(folder)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="models")
        client.put_object(Bucket="models", Key="digits/7/model.tar.gz", Body=archive.read_bytes())
        with store.opened(release_of(archive, "s3://models/digits/7/model.tar.gz")) as artefact:
            assert artefact.signature.labels == LABELS
        assert "cannot be read" in refusal(release_of(archive, "s3://models/digits/8/model.tar.gz"))


def test_a_store_that_fails_twice_is_asked_a_third_time(folder: Path) -> None:
    archive = pack(folder)
    asked: list[str] = []

    @contextmanager
    def flaky(uri: str):
        asked.append(uri)
        if len(asked) < 3:
            raise StoreError("no answer")
        with archive.open("rb") as stream:
            yield stream

    with store.opened(release_of(archive), flaky) as artefact:
        assert artefact.folder.exists()
    assert len(asked) == 3


def set_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv("AWS_" + name, value)
