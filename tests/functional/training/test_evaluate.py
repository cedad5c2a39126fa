"""evaluate.py: the report's figures hold when counted again, and only the archive that was meant is opened."""

from __future__ import annotations

import base64
import io
import json
import math
import shutil
import subprocess
import tarfile

import numpy as np
import pytest
from PIL import Image
from training_job import PYTHON, Job, digest, pack

from ratchet.contract import PARAMS_FILE, sha256_file
from ratchet.judge import read_report
from training.recordio import read_records

_PREDICT = """
import json, sys, mxnet as mx, numpy as np
from mxnet import recordio
folder, shard, out = sys.argv[1:]
signature = json.load(open(folder + "/signature.json"))
module = mx.mod.Module(*[mx.sym.load(folder + "/model-symbol.json")], data_names=["data"], label_names=None)
shape = (1, signature["channels"], signature["height"], signature["width"])
module.bind(data_shapes=[("data", shape)], for_training=False)
loaded = mx.nd.load(folder + "/model-0000.params")
module.set_params({k[4:]: v for k, v in loaded.items() if k.startswith("arg:")},
                  {k[4:]: v for k, v in loaded.items() if k.startswith("aux:")})
reader, rows = recordio.MXRecordIO(shard, "r"), []
for content in iter(reader.read, None):
    header, png = recordio.unpack(content)
    pixels = mx.image.imdecode(png, flag=0).asnumpy().astype(float)
    pixels = (pixels - np.array(signature["mean"])) / np.array(signature["std"])
    module.forward(mx.io.DataBatch([mx.nd.array(pixels.transpose(2, 0, 1)[None])]), is_train=False)
    logits = module.get_outputs()[0].asnumpy()[0].astype(float)
    weights = np.exp(logits - logits.max())
    rows.append([int(header.label), (weights / weights.sum()).tolist()])
json.dump(rows, open(out, "w"))
"""


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory, prepared, challenger):
    channels = {"prepared": prepared, "challenger": challenger, "champion": challenger}
    job = Job(tmp_path_factory.mktemp("evaluate"), "evaluate", channels)
    return job.must(challenger_sha256=digest(challenger), champion_sha256=digest(challenger))


@pytest.fixture(scope="module")
def report(evaluation):
    return json.loads((evaluation.model / "report.json").read_text())


@pytest.fixture(scope="module")
def predictions(tmp_path_factory, preparation, training):
    """True class and probabilities of each test image, by MXNet's own reader, decoder and Module."""
    out = tmp_path_factory.mktemp("predictions") / "rows.json"
    shard = preparation.model / "test.rec"
    subprocess.run([PYTHON, "-c", _PREDICT, training.model, shard, out], check=True, timeout=120)
    return json.loads(out.read_text())


def test_figures_are_those_that_another_program_counts(report, predictions):
    measured = report["challenger"]
    correct = [int(np.argmax(row) == truth) for truth, row in predictions]
    assert measured["correct"] == correct
    assert measured["accuracy"] == pytest.approx(sum(correct) / len(correct))
    assert measured["log_loss"] == pytest.approx(
        -np.mean([math.log(row[truth]) for truth, row in predictions]), rel=1e-3
    )
    confusion = np.zeros((3, 3), dtype=int)
    for truth, row in predictions:
        confusion[truth, np.argmax(row)] += 1
    assert measured["confusion"] == confusion.tolist()
    for number, label in enumerate(report["labels"]):
        figures = measured["per_class"][label]
        assert figures["support"] == confusion[number].sum()
        assert figures["recall"] == pytest.approx(confusion[number, number] / confusion[number].sum())
        assert figures["precision"] == pytest.approx(confusion[number, number] / confusion[:, number].sum())


def test_a_model_differs_from_itself_by_nothing(report):
    differences = report["differences"]
    assert differences["accuracy"] == differences["log_loss"] == 0
    assert set(differences["recall"].values()) == {0}
    assert (differences["only_challenger_right"], differences["only_champion_right"]) == (0, 0)
    assert report["champion"] == report["challenger"]


def test_the_gates_can_read_the_report(report, preparation):
    read = read_report(report)
    assert read.test_digest == sha256_file(preparation.model / "test.rec")
    assert read.test_count == len(read.challenger.correct)


def test_prints_both_accuracies(evaluation, report):
    accuracy = format(report["challenger"]["accuracy"], ".6g")
    assert f"[ratchet:metric] challenger_accuracy={accuracy}; champion_accuracy={accuracy};" in evaluation.log


def test_smoke_examples_carry_what_the_model_said(evaluation, preparation, predictions):
    statistics = json.loads((preparation.model / "statistics.json").read_text())
    images = {record.number: record.payload for record in read_records(preparation.model / "test.rec")}
    examples = json.loads((evaluation.model / "smoke.json").read_text())["examples"]
    assert len(examples) == 10
    assert {example["label"] for example in examples[:3]} == {"a", "b", "c"}
    for example in examples:
        number = statistics["keys"]["test"].index(example["key"])
        truth, row = predictions[number]
        assert base64.b64decode(example["image_base64"]) == images[number]
        assert example["label"] == statistics["labels"][truth]
        assert example["expected_label"] == statistics["labels"][int(np.argmax(row))]
        assert example["probability"] == pytest.approx(max(row), rel=1e-3)


def test_the_page_needs_nothing_from_elsewhere(evaluation):
    page = (evaluation.model / "report.html").read_text()
    assert "http" not in page
    assert "<script" not in page
    assert Image.open(io.BytesIO((evaluation.model / "confusion.png").read_bytes())).format == "PNG"


def test_the_first_model_ever_has_no_champion(tmp_path, prepared, challenger):
    job = Job(tmp_path, "evaluate", {"prepared": prepared, "challenger": challenger})
    job.must(challenger_sha256=digest(challenger))
    report = json.loads((job.model / "report.json").read_text())
    assert report["champion"] is None
    assert report["differences"] is None
    assert "champion_accuracy" not in job.log


def refuse(tmp_path, prepared, channel, **digests) -> str:
    job = Job(tmp_path / "job", "evaluate", {"prepared": prepared, "challenger": channel})
    assert job.run(**{"challenger_sha256": digest(channel), **digests}) == 1
    assert not list(job.model.iterdir())
    return job.reason


def test_refuses_an_archive_that_is_not_the_one_that_was_meant(tmp_path, prepared, challenger):
    reason = refuse(tmp_path, prepared, challenger, challenger_sha256="0" * 64)
    assert f"it has SHA-256 {digest(challenger)}, expected {'0' * 64}" in reason


def test_refuses_parameters_with_one_flipped_bit(tmp_path, prepared, training):
    folder = tmp_path / "model"
    shutil.copytree(training.model, folder)
    content = bytearray((folder / PARAMS_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / PARAMS_FILE).write_bytes(bytes(content))
    assert f"{PARAMS_FILE} has SHA-256" in refuse(tmp_path, prepared, pack(folder, tmp_path / "flipped"))


def test_refuses_an_archive_that_leaves_its_folder(tmp_path, prepared, training):
    channel = tmp_path / "challenger"
    channel.mkdir()
    with tarfile.open(channel / "model.tar.gz", "w:gz") as archive:
        archive.add(training.model / PARAMS_FILE, f"../{PARAMS_FILE}")
    assert "leaves its folder" in refuse(tmp_path, prepared, channel)


def test_refuses_a_champion_without_a_digest(tmp_path, prepared, challenger):
    channels = {"prepared": prepared, "challenger": challenger, "champion": challenger}
    job = Job(tmp_path, "evaluate", channels)
    assert job.run(challenger_sha256=digest(challenger)) == 1
    assert job.reason == "the model in channel 'packed' is refused: no SHA-256 was given for it"
