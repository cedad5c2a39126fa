"""train.py: the same seed gives the same weights, whatever kills it on the way."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tarfile

import pytest
from training_job import PYTHON, ROOT, SIZE, Job, digest, draw_stripes, wait_for

from ratchet.contract import (
    METRIC_NAMES,
    PARAMS_FILE,
    SIGNATURE_FILE,
    Signature,
    metric_regex,
    sha256_file,
    verify_manifest,
)

OPTIONS = {"network": "mlp", "batch_size": 16, "learning_rate": 0.01, "threads": 1, "seed": 5}


def weights(job: Job) -> str:
    return sha256_file(job.model / PARAMS_FILE)


def test_leaves_an_artefact_that_keeps_the_contract(training):
    verify_manifest(training.model)
    signature = Signature.from_json(json.loads((training.model / SIGNATURE_FILE).read_text()))
    assert (signature.channels, signature.height, signature.width) == (1, SIZE, SIZE)
    assert signature.labels == ("a", "b", "c")
    assert (training.model / "synset.txt").read_text() == "a\nb\nc\n"


def test_prints_every_metric_once_an_epoch_and_those_of_the_exported_one_last(training):
    metrics = json.loads((training.model / "metrics.json").read_text())
    history, best = metrics["history"], metrics["best_epoch"]
    assert len(history) == 3
    told = history if best == 3 else [*history, history[best - 1]]
    for name in METRIC_NAMES:
        found = [float(value) for value in re.findall(metric_regex(name), training.log)]
        assert found == [pytest.approx(epoch[name], rel=1e-5) for epoch in told]


def test_begins_with_the_champion_s_weights_where_they_fit(tmp_path, prepared, training, challenger):
    options = {**OPTIONS, "epochs": 1, "init_from": "champion", "champion_sha256": digest(challenger)}
    channels = {"prepared": prepared, "champion": challenger}
    warm = Job(tmp_path / "warm", "train", channels).must(**options)
    count, whole = re.search(r"began with the champion's weights: (\d+) of (\d+) fit", warm.log).groups()
    assert count == whole
    first = [json.loads((job.model / "metrics.json").read_text())["history"][0] for job in (warm, training)]
    assert first[0]["train_loss"] < first[1]["train_loss"]
    wrong = Job(tmp_path / "wrong", "train", channels)
    assert wrong.run(**{**options, "champion_sha256": "0" * 64}) == 1
    assert wrong.reason.startswith("the champion's weights cannot be read: it has SHA-256")


def test_learns_and_exports_the_best_epoch(training):
    metrics = json.loads((training.model / "metrics.json").read_text())
    highest = max(epoch["validation_accuracy"] for epoch in metrics["history"])
    losses = [epoch["validation_loss"] for epoch in metrics["history"] if epoch["validation_accuracy"] == highest]
    best = metrics["history"][metrics["best_epoch"] - 1]
    assert metrics["validation_accuracy"] == best["validation_accuracy"] == highest > 0.6
    assert metrics["validation_loss"] == best["validation_loss"] == pytest.approx(min(losses), abs=1e-4)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path, prepared, training):
    again = Job(tmp_path / "again", "train", {"prepared": prepared}).must(**OPTIONS, epochs=3)
    other = Job(tmp_path / "other", "train", {"prepared": prepared}).must(**{**OPTIONS, "seed": 6}, epochs=3)
    assert weights(again) == weights(training)
    assert weights(other) != weights(training)


@pytest.mark.parametrize("network", ["lenet", "resnet18"])
def test_a_killed_training_goes_on_and_ends_as_if_nothing_had_happened(tmp_path, network):
    stripes = draw_stripes(tmp_path, classes=2, each=20)
    shape = {"channels": 1, "height": 24, "width": 24}
    prepared = Job(tmp_path / "prepare", "prepare", stripes.channels).must(**shape).pack()
    options = {**OPTIONS, "network": network, "epochs": 3, "patience": 9, "augment": "light", "learning_rate": 0.001}
    whole = Job(tmp_path / "whole", "train", {"prepared": prepared}).must(**options)
    job = Job(tmp_path / "killed", "train", {"prepared": prepared})
    process = job.start(**options)
    wait_for(lambda: any(job.checkpoints.glob("epoch-0001-*")), process)
    os.killpg(process.pid, signal.SIGKILL)
    assert job.finish(process) == -signal.SIGKILL
    job.must(**options)
    assert re.search(r"^resumed after epoch \d and 0 batches$", job.log, re.MULTILINE)
    assert weights(job) == weights(whole)


def test_sigterm_saves_within_the_epoch_and_a_repeat_ends_with_the_same_weights(tmp_path, prepared):
    options = {**OPTIONS, "epochs": 5, "patience": 5, "batch_size": 1}
    whole = Job(tmp_path / "whole", "train", {"prepared": prepared}).must(**options)
    job = Job(tmp_path / "stopped", "train", {"prepared": prepared})
    process = job.start(**options)
    wait_for(lambda: any(job.checkpoints.glob("epoch-0002-*")), process)
    process.send_signal(signal.SIGTERM)
    assert job.finish(process) == 128 + signal.SIGTERM
    assert job.reason.startswith("SIGTERM stopped the training after epoch")
    assert not list(job.model.iterdir())
    job.must(**options)
    assert "resumed after epoch" in job.log
    assert weights(job) == weights(whole)


def test_a_broken_checkpoint_is_passed_over_for_the_one_before(tmp_path, prepared):
    job = Job(tmp_path, "train", {"prepared": prepared}).must(**OPTIONS, epochs=2)
    newest, older = sorted(job.checkpoints.glob("epoch-*"), reverse=True)
    with (newest / "net.params").open("r+b") as stream:
        stream.truncate(100)
    job.must(**OPTIONS, epochs=3)
    assert f"checkpoint {newest.name} is not whole and is passed over" in job.log
    assert f"resumed after epoch {int(older.name[6:10])} and 0 batches" in job.log


def test_a_checkpoint_of_other_hyperparameters_is_passed_over(tmp_path, prepared):
    job = Job(tmp_path, "train", {"prepared": prepared}).must(**OPTIONS, epochs=1)
    job.must(**{**OPTIONS, "optimizer": "sgd"}, epochs=1)
    assert "is of another training and is passed over" in job.log
    assert "resumed" not in job.log


def test_momentum_comes_back_from_a_checkpoint(tmp_path, prepared):
    options = {**OPTIONS, "optimizer": "sgd", "learning_rate": 0.05}
    whole = Job(tmp_path / "whole", "train", {"prepared": prepared}).must(**options, epochs=3, patience=9)
    job = Job(tmp_path / "parts", "train", {"prepared": prepared}).must(**options, epochs=2, patience=9)
    job.must(**options, epochs=3, patience=9)
    assert "resumed after epoch 2 and 0 batches" in job.log
    assert weights(job) == weights(whole)


def test_stops_early_when_nothing_gets_better(tmp_path, prepared):
    job = Job(tmp_path, "train", {"prepared": prepared}).must(
        **{**OPTIONS, "learning_rate": 1e-9}, epochs=50, patience=2
    )
    metrics = json.loads((job.model / "metrics.json").read_text())
    assert metrics["epochs"] == metrics["best_epoch"] + 2 < 50
    assert f"stopped early: nothing better since epoch {metrics['best_epoch']}" in job.log


def test_names_the_networks_there_are(tmp_path, prepared):
    job = Job(tmp_path, "train", {"prepared": prepared})
    assert job.run(network="alexnet") == 1
    assert job.reason.startswith("there is no network 'alexnet'; there is: lenet, lstm, mlp, resnet18, resnet50")


def test_says_when_the_loss_is_no_number_any_more(tmp_path, prepared):
    job = Job(tmp_path, "train", {"prepared": prepared})
    assert job.run(**{**OPTIONS, "optimizer": "sgd", "learning_rate": 1e30}, epochs=2) == 1
    assert job.reason.startswith("the loss is no number any more in epoch")


def test_refuses_shards_that_are_not_what_prepare_wrote(tmp_path, preparation):
    folder = tmp_path / "prepared"
    shutil.copytree(preparation.model, folder)
    content = bytearray((folder / "train.rec").read_bytes())
    content[200] ^= 1
    (folder / "train.rec").write_bytes(bytes(content))
    job = Job(tmp_path / "job", "train", {"prepared": folder})
    assert job.run(**OPTIONS) == 1
    assert job.reason.startswith("the shards train are not what `prepare` wrote")


def test_refuses_prepared_data_that_leaves_its_folder(tmp_path, preparation):
    channel = tmp_path / "prepared"
    channel.mkdir()
    with tarfile.open(channel / "model.tar.gz", "w:gz") as archive:
        archive.add(preparation.model / "statistics.json", "../../statistics.json")
    job = Job(tmp_path / "job", "train", {"prepared": channel})
    assert job.run(**OPTIONS) == 1
    assert "leaves its folder" in job.reason
    assert not list(tmp_path.rglob("statistics.json"))


@pytest.fixture(scope="module")
def learned(preparation, tmp_path_factory):
    """Sums after an epoch, by how it was learned."""
    command = [PYTHON, ROOT / "tests/functional/training/devices.py", preparation.model]
    where = tmp_path_factory.mktemp("devices")
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_two_devices_learn_what_one_does(learned):
    assert learned["two"] == pytest.approx(learned["one"], rel=1e-3)


def test_scaled_losses_of_mixed_precision_teach_the_same_on_one_device_and_on_two(learned):
    assert learned["mixed"] == pytest.approx(learned["one"], rel=1e-3)
    assert learned["mixed on two"] == pytest.approx(learned["one"], rel=1e-3)


def test_what_does_not_fit_into_memory_is_learned_from_the_shards(learned):
    (loss, _, count, _, _, validated), whole = learned["streamed"], learned["one"]
    assert (count, validated) == (whole[2], whole[5])
    assert loss == pytest.approx(whole[0], rel=0.3)  # another order


def test_mixed_precision_is_refused_where_no_gpu_is(tmp_path, prepared):
    job = Job(tmp_path, "train", {"prepared": prepared})
    assert job.run(**OPTIONS, precision="amp") == 1
    assert job.reason == "--precision amp needs a GPU, and this machine has none: set `fp32` or `auto`"
