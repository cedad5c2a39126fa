"""Record files and tables through prepare, train and evaluate: streamed, checked, the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import subprocess

import numpy as np
import pytest
from training_job import PYTHON, SHAPE, Dataset, Job, digest, encode

from ratchet.contract import copy_name, split_of
from training.recordio import read_records

TABLE = {"format": "csv", "label_column": "kind"}
_FILES = [f"{split}.{kind}" for split in ("train", "validation", "test") for kind in ("rec", "idx")]


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Dataset:
    """Three kinds that two of four columns tell apart, in two files whose columns are in another order."""
    dataset, noise = Dataset(tmp_path_factory.mktemp("table")), np.random.default_rng(3)
    rows = []
    for number in range(300):
        kind = number % 3
        a, b = noise.normal(10 * kind, 1.0), noise.normal(-500 * kind, 60.0)
        rows.append(
            {"a": f"{a:.4f}", "b": f"{b:.2f}", "same": "7", "noise": f"{noise.random():.5f}", "kind": "xyz"[kind]}
        )
    dataset.add("one.csv", to_csv(["a", "b", "same", "noise", "kind"], rows[:200]))
    dataset.add("deep/two.csv", to_csv(["kind", "noise", "b", "same", "a"], rows[200:]))
    return dataset.freeze()


def to_csv(names, rows) -> bytes:
    return "".join(",".join(line) + "\n" for line in [names, *([row[name] for name in names] for row in rows)]).encode()


def read_statistics(job: Job):
    return json.loads((job.model / "statistics.json").read_text())


@pytest.fixture(scope="module")
def prepared_table(tmp_path_factory, table) -> Job:
    return Job(tmp_path_factory.mktemp("prepare"), "prepare", table.channels).must(**TABLE)


def test_the_same_tables_give_the_same_bytes(tmp_path, table, prepared_table):
    again = Job(tmp_path, "prepare", table.channels).must(**TABLE)
    for name in [*_FILES, "statistics.json"]:
        assert (again.model / name).read_bytes() == (prepared_table.model / name).read_bytes(), name


def test_every_row_is_in_the_shard_that_its_place_says(prepared_table):
    statistics = read_statistics(prepared_table)
    assert statistics["features"] == ["noise", "b", "same", "a"]
    keys = [key for split in statistics["keys"].values() for key in split]
    assert sorted(keys) == sorted([f"one.csv#{n}" for n in range(200)] + [f"deep/two.csv#{n}" for n in range(100)])
    assert all(split_of(key) == split for split, found in statistics["keys"].items() for key in found)
    rows = [np.frombuffer(record.payload, "<f4") for record in read_records(prepared_table.model / "train.rec")]
    values = np.stack(rows).astype(float)
    assert statistics["mean"] == pytest.approx(values.mean(axis=0))
    assert statistics["std"] == pytest.approx([*values.std(axis=0)[:2], 1.0, values.std(axis=0)[3]])
    assert [sum(bins) for bins in statistics["histogram"]] == [len(rows)] * 4


def test_a_table_is_learned_and_judged(tmp_path, prepared_table):
    prepared = prepared_table.pack()
    options = {"network": "mlp", "epochs": 6, "batch_size": 16, "learning_rate": 0.01, "threads": 1, "seed": 5}
    trained = Job(tmp_path / "train", "train", {"prepared": prepared}).must(**options)
    again = Job(tmp_path / "again", "train", {"prepared": prepared}).must(**options)
    params = [hashlib.sha256((job.model / "model-0000.params").read_bytes()).hexdigest() for job in (trained, again)]
    assert params[0] == params[1]
    signature = json.loads((trained.model / "signature.json").read_text())
    assert (signature["layout"], signature["width"], signature["labels"]) == ("NC", 4, ["x", "y", "z"])
    challenger = trained.pack()
    channels = {"prepared": prepared, "challenger": challenger}
    judged = Job(tmp_path / "evaluate", "evaluate", channels).must(challenger_sha256=digest(challenger))
    report = json.loads((judged.model / "report.json").read_text())
    assert report["challenger"]["accuracy"] > 0.9
    assert "Evaluation on the frozen test split" in (judged.model / "report.html").read_text()


def refuse(folder, dataset, **options) -> str:
    job = Job(folder / "job", "prepare", dataset.freeze().channels)
    assert job.run(**options) == 1, job.log
    assert not (job.model / "statistics.json").exists()
    return job.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"a,other\n1,x\n", "bad.csv lacks the columns ['kind']"),
        (b"a,kind\n1,x\nmuch,y\n2,z\n", "1 of 3 images cannot be read (33 %, tolerated 0 %): bad.csv#1 (a is 'much')"),
        (b"a,kind\n1,x\nnan,y\n", "bad.csv#1 (a is 'nan')"),
        (b"a,kind\n1,\n2,x\n", "bad.csv#0 (no label)"),
        (b"kind\nx\n", "no column besides the label"),
        (b"a,kind\n1,\xff\n", "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_by_file_and_row(tmp_path, body, reason):
    dataset = Dataset(tmp_path)
    dataset.add("bad.csv", body)
    assert reason in refuse(tmp_path, dataset, **TABLE)


@pytest.fixture
def records(tmp_path) -> Dataset:
    """Forty images in a record file as MXNet writes it."""
    images = {number: encode(np.full((12, 12), 6 * number, dtype=np.uint8)).hex() for number in range(40)}
    script = """
import json, sys, mxnet as mx
writer = mx.recordio.MXIndexedRecordIO("all.idx", "all.rec", "w")
for number, image in enumerate(json.loads(sys.argv[1])):
    writer.write_idx(number, mx.recordio.pack(mx.recordio.IRHeader(0, number % 2, number, 0), bytes.fromhex(image)))
writer.close()
"""
    command = [PYTHON, "-c", script, json.dumps(list(images.values()))]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    dataset = Dataset(tmp_path)
    for name in ("all.rec", "all.idx"):
        dataset.add(f"deep/{name}", (tmp_path / name).read_bytes())
    return dataset.freeze()


def test_record_files_become_shards_with_the_names_of_their_labels(tmp_path, records):
    options = {**SHAPE, "format": "recordio", "labels": "cat,dog"}
    first = Job(tmp_path / "first", "prepare", records.channels).must(**options)
    again = Job(tmp_path / "again", "prepare", records.channels).must(**options)
    for name in [*_FILES, "statistics.json"]:
        assert (first.model / name).read_bytes() == (again.model / name).read_bytes(), name
    statistics = read_statistics(first)
    assert statistics["labels"] == ["cat", "dog"]
    assert statistics["image_count"] == 40
    assert {key.split("#")[0] for key in statistics["keys"]["train"]} == {"deep/all.rec"}


def test_a_record_file_that_is_cut_off_is_refused(tmp_path, records):
    dataset = Dataset(tmp_path / "cut")
    dataset.add("cut.rec", (tmp_path / "all.rec").read_bytes()[:-3])
    assert "the record file cut.rec is broken" in refuse(tmp_path, dataset, **SHAPE, format="recordio")


def test_a_record_file_that_changed_after_freezing_is_refused(tmp_path, records):
    path = records.images / "deep/all.rec"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    assert "changed after the dataset was frozen: deep/all.rec" in refuse(tmp_path, records, **SHAPE, format="recordio")


def test_copies_are_found_by_the_names_of_their_versions(tmp_path, table):
    dataset = Dataset(tmp_path)
    for entry in table.entries:
        dataset.add(entry["key"], (table.images / entry["key"]).read_bytes())
        target = dataset.images / copy_name(entry["key"], entry["version_id"])
        target.parent.mkdir(exist_ok=True)
        (dataset.images / entry["key"]).rename(target)
    job = Job(tmp_path / "job", "prepare", dataset.freeze().channels).must(**TABLE, names="copies")
    assert read_statistics(job)["image_count"] == 300
