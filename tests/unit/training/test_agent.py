"""What the agent on a rented machine does: channels, archives, metrics, and the record that it writes."""

import json
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from training.agent.archive import pack
from training.agent.channel import ChannelProblem, fetch_channel, relative_path
from training.agent.checkpoint import Checkpoints
from training.agent.metric import Metrics
from training.agent.record import Fenced, Record
from training.agent.store import Conflict, split_uri


class FakeStore:
    """A bucket in a dictionary; `lose` makes the next replacement's answer get lost after it was done."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = dict(objects)
        self.uploads: list[str] = []
        self.lose = False

    def read(self, bucket, key):
        return self.objects[key], str(hash(self.objects[key]))

    def replace(self, bucket, key, content, etag):
        if etag != str(hash(self.objects[key])):
            raise Conflict(key)
        self.objects[key] = content
        if self.lose:
            self.lose = False
            raise Conflict(key)  # what a repeated send is told
        return str(hash(content))

    def keys(self, bucket, prefix):
        return sorted(key for key in self.objects if key.startswith(prefix))

    def download(self, uri, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.objects[split_uri(uri)[1]])

    def upload(self, source, uri):
        key = split_uri(uri)[1]
        self.uploads.append(key)
        self.objects[key] = Path(source).read_bytes()


def made(store: FakeStore, attempt: int = 1) -> Record:
    return Record(store, "jobs", "record", attempt=attempt)


def running(**more: object) -> bytes:
    return json.dumps({"attempt": 1, "state": "running", **more}).encode()


def test_a_write_keeps_what_the_orchestrator_has_written_meanwhile():
    store = FakeStore(record=running())
    record = made(store)
    record.update(phase="Training")
    store.objects["record"] = running(phase="Training", stop_asked=True)
    record.update(metrics={"loss": 1.0})
    found = json.loads(store.objects["record"])
    assert (found["stop_asked"], found["metrics"]) == (True, {"loss": 1.0})
    assert record.current["stop_asked"]


@pytest.mark.parametrize("found", [running(attempt=2), running(state="failed"), running(state="stopped")])
def test_a_late_write_of_a_zombie_changes_nothing(found):
    store = FakeStore(record=running())
    record = made(store)
    record.update(phase="Training")
    store.objects["record"] = found
    with pytest.raises(Fenced):
        record.update(state="succeeded")
    assert store.objects["record"] == found


def test_an_end_whose_answer_was_lost_is_no_conflict():
    store = FakeStore(record=running())
    record = made(store)
    record.update(phase="Uploading")
    store.lose = True
    record.update(state="succeeded")
    assert json.loads(store.objects["record"])["state"] == "succeeded"


def test_a_machine_of_another_attempt_does_not_begin():
    with pytest.raises(Fenced):
        made(FakeStore(record=running(attempt=2))).update(phase="Starting")


@pytest.mark.parametrize(
    ("key", "prefix", "place"),
    [
        ("a/b/c", "a/b/", "c"),
        ("a/b/c", "a/b", "c"),
        ("a/b", "a/b", "b"),
        ("a/bc/d", "a/b", "bc/d"),
        ("a/", "a/", "."),
    ],
)
def test_keys_lie_where_sagemaker_lays_them(key, prefix, place):
    assert relative_path(key, prefix) == PurePosixPath(place)


def test_a_manifest_names_its_objects_and_none_outside_the_folder(tmp_path):
    store = FakeStore(
        **{"m": json.dumps([{"prefix": "s3://data/x/"}, "1/a", "b"]).encode(), "x/1/a": b"A", "x/b": b"B"}
    )
    channel = {"name": "c", "uri": "s3://data/m", "manifest": True}
    assert fetch_channel(store, channel, tmp_path) == 2
    assert (tmp_path / "1" / "a").read_bytes() == b"A"
    store.objects["m"] = json.dumps([{"prefix": "s3://data/x/"}, "../../etc/passwd"]).encode()
    with pytest.raises(ChannelProblem, match="outside"):
        fetch_channel(store, channel, tmp_path)
    store.objects["m"] = b"{}"
    with pytest.raises(ChannelProblem, match="no JSON list"):
        fetch_channel(store, channel, tmp_path)


def test_a_channel_without_objects_is_a_failure(tmp_path):
    with pytest.raises(ChannelProblem, match="No S3 objects found"):
        fetch_channel(FakeStore(), {"name": "c", "uri": "s3://data/none/", "manifest": False}, tmp_path)


def test_an_archive_holds_the_folders_content_sorted_and_nothing_of_its_own(tmp_path):
    folder = tmp_path / "model"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "x").write_text("x")
    (folder / "a").write_text("a")
    failure = tmp_path / "failure"
    failure.write_text("why")
    assert pack(folder, tmp_path / "t.tar.gz", failure)
    with tarfile.open(tmp_path / "t.tar.gz") as tar:
        assert tar.getnames() == ["a", "b", "b/x", "failure"]
    assert not pack(tmp_path / "none", tmp_path / "u.tar.gz")


def test_checkpoints_are_uploaded_when_they_rest_and_once(tmp_path):
    store = FakeStore(**{"ck/old": b"1"})
    checkpoints = Checkpoints(store, tmp_path, "s3://jobs/ck")
    checkpoints.download()
    assert (tmp_path / "old").read_bytes() == b"1"
    (tmp_path / "new").write_text("2")
    checkpoints.push()
    assert store.uploads == []
    checkpoints.push()
    checkpoints.push()
    assert store.uploads == ["ck/new"]
    (tmp_path / "newer").write_text("3")
    checkpoints.push_everything()
    assert store.uploads == ["ck/new", "ck/newer"]


def test_the_last_finite_value_of_a_metric_counts():
    metrics = Metrics([{"name": "loss", "regex": r"loss=([-+0-9.eEnaif]+);"}])
    for line in ("loss=0.5;", "loss=0.25; loss=0.2;", "loss=nan;", "other=1;"):
        metrics.read(line)
    assert metrics.values == {"loss": 0.2}
