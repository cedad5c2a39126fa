"""prepare.py: raw images become shards, or one sentence says why not."""

from __future__ import annotations

import io
import json
import subprocess

import numpy as np
import pytest
from PIL import Image
from training_job import PYTHON, ROOT, SHAPE, Dataset, Job, draw_stripes

from ratchet.contract import split_of
from training.recordio import Record, RecordWriter, read_records

_SHARDS = [f"{split}.{kind}" for split in ("train", "validation", "test") for kind in ("rec", "idx")]


@pytest.fixture
def dataset(tmp_path):
    return draw_stripes(tmp_path, classes=2, each=15)


def refuse(tmp_path, dataset: Dataset, **options: object) -> str:
    job = Job(tmp_path / "job", "prepare", dataset.channels)
    assert job.run(**SHAPE, **options) == 1, job.log
    assert job.log.splitlines()[-1] == "DataProblem: " + job.reason
    assert not (job.model / "statistics.json").exists()
    return job.reason


def test_the_same_images_give_the_same_bytes(tmp_path, stripes, preparation):
    again = Job(tmp_path, "prepare", stripes.channels).must(**SHAPE)
    for name in [*_SHARDS, "statistics.json"]:
        assert (again.model / name).read_bytes() == (preparation.model / name).read_bytes(), name


def test_every_image_is_in_the_shard_that_its_key_says(stripes, preparation):
    statistics = json.loads((preparation.model / "statistics.json").read_text())
    seen = []
    for split in ("train", "validation", "test"):
        keys = statistics["keys"][split]
        records = list(read_records(preparation.model / f"{split}.rec"))
        assert [record.number for record in records] == list(range(len(keys)))
        for record, key in zip(records, keys, strict=True):
            assert split_of(key) == split
            assert statistics["labels"][record.label] == key.split("/")[0]
            stored = np.asarray(Image.open(io.BytesIO(record.payload)))
            assert (stored == np.asarray(Image.open(stripes.images / key))).all()
        assert keys == sorted(keys)
        seen += keys
    assert sorted(seen) == sorted(entry["key"] for entry in stripes.entries)


def test_statistics_are_those_of_the_training_images(preparation):
    statistics = json.loads((preparation.model / "statistics.json").read_text())
    images = [Image.open(io.BytesIO(record.payload)) for record in read_records(preparation.model / "train.rec")]
    pixels = np.stack([np.asarray(image, dtype=float) for image in images])
    assert statistics["mean"] == [pytest.approx(pixels.mean())]
    assert statistics["std"] == [pytest.approx(pixels.std())]
    assert statistics["histogram"] == [np.histogram(pixels, bins=32, range=(0, 256))[0].tolist()]
    assert sum(statistics["counts"]["train"].values()) == len(images) == statistics["shards"]["train"]["count"]


def test_mxnet_writes_the_same_bytes_as_we_do(tmp_path):
    magic = b"\x0a\x23\xd7\xce"
    payloads = [b"", b"abc", magic, magic * 3, b"xx" + magic, b"abcd" + magic + b"z", bytes(40) + magic + magic]
    writer = RecordWriter(tmp_path / "ours.rec", tmp_path / "ours.idx")
    for number, payload in enumerate(payloads):
        writer.write(Record(number, number % 3, payload))
    writer.close()
    script = """
import json, sys, mxnet as mx
writer = mx.recordio.MXIndexedRecordIO("theirs.idx", "theirs.rec", "w")
for number, payload in enumerate(json.loads(sys.argv[1])):
    header = mx.recordio.IRHeader(0, float(number % 3), number, 0)
    writer.write_idx(number, mx.recordio.pack(header, bytes.fromhex(payload)))
writer.close()
"""
    given = json.dumps([payload.hex() for payload in payloads])
    subprocess.run([PYTHON, "-c", script, given], cwd=tmp_path, check=True, timeout=60)
    for kind in ("rec", "idx"):
        assert (tmp_path / f"ours.{kind}").read_bytes() == (tmp_path / f"theirs.{kind}").read_bytes()


def test_refuses_a_file_that_changed_after_freezing(tmp_path, dataset):
    key = dataset.entries[3]["key"]
    path = dataset.images / key
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    reason = refuse(tmp_path, dataset)
    assert reason.startswith("1 object(s) changed after the dataset was frozen: " + key)


def test_refuses_a_dataset_with_a_missing_file(tmp_path, dataset):
    key = dataset.entries[0]["key"]
    (dataset.images / key).unlink()
    assert key in refuse(tmp_path, dataset)


def test_ignores_files_that_the_manifest_does_not_name(tmp_path, dataset):
    (dataset.images / "a" / "new.png").write_bytes(b"of a later version")
    job = Job(tmp_path / "job", "prepare", dataset.channels).must(**SHAPE)
    assert json.loads((job.model / "statistics.json").read_text())["image_count"] == 30


def test_refuses_a_class_with_too_few_images(tmp_path, dataset):
    reason = refuse(tmp_path, dataset, min_images_per_class=16)
    assert "at least 16" in reason
    assert "a has 15, b has 15" in reason


def test_refuses_a_class_that_is_asked_for_and_has_no_images(tmp_path, dataset):
    assert "c has 0" in refuse(tmp_path, dataset, labels="a,b,c")


def test_refuses_a_class_that_nobody_asked_for(tmp_path, dataset):
    assert "holds b, which data.labels does not name" in refuse(tmp_path, dataset, labels="a")


def test_refuses_broken_images_unless_so_many_are_tolerated(tmp_path, dataset):
    cut = (dataset.images / "a/stripe-0000.png").read_bytes()[:60]
    dataset.add("a/cut.png", cut)
    dataset.add("b/text.png", b"no image at all")
    dataset.freeze()
    reason = refuse(tmp_path, dataset, max_unreadable_percent=5)
    assert reason.startswith("2 of 32 images cannot be read")
    assert "a/cut.png" in reason
    assert "b/text.png (no image of a known kind)" in reason
    job = Job(tmp_path / "tolerant", "prepare", dataset.channels).must(**SHAPE, max_unreadable_percent=7)
    statistics = json.loads((job.model / "statistics.json").read_text())
    assert [item["key"] for item in statistics["unreadable"]] == ["a/cut.png", "b/text.png"]
    assert statistics["image_count"] == 30


@pytest.mark.parametrize("key", ["../manifest/x.png", "/etc/hostname", "a/../../x.png", "nolabel.png", "a,b/x.png"])
def test_refuses_a_key_that_is_no_label_and_file(tmp_path, dataset, key):
    dataset.entries[0]["key"] = key
    assert repr(key) in refuse(tmp_path, dataset.freeze())


def test_says_which_hyperparameter_is_wrong(tmp_path, dataset):
    job = Job(tmp_path / "job", "prepare", dataset.channels)
    assert job.run(channels=2) == 1
    assert job.reason.startswith("a hyperparameter is wrong: argument --channels")


def test_runs_without_importing_mxnet(tmp_path, dataset):
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import training.prepare; sys.exit('mxnet' in sys.modules)"
    subprocess.run([PYTHON, "-c", script], cwd=tmp_path, check=True, timeout=60)
