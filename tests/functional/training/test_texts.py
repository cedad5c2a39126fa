"""Texts through prepare, train and evaluate: folders and columns, the same bytes every time, nothing learned early."""

from __future__ import annotations

import json
import random

import pytest
from training_job import Dataset, Job, digest

from ratchet.contract import split_of
from training.recordio import read_records

_WORDS = {"en": "the cat sat on a mat and the dog ran", "de": "die katze und der hund auf dem dach sind da"}
_FILES = [f"{split}.{kind}" for split in ("train", "validation", "test") for kind in ("rec", "idx")]
OPTIONS = {"format": "text", "length": 12}


def write_sentences() -> dict[str, str]:
    """Forty sentences of two languages by key, each with a word that no other has."""
    chance = random.Random(4)
    return {
        f"{language}/{number:02d}.txt": " ".join([*chance.choices(words.split(), k=6), f"only{number}{language}"])
        for language, words in _WORDS.items()
        for number in range(20)
    }


@pytest.fixture(scope="module")
def sentences() -> dict[str, str]:
    return write_sentences()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sentences) -> Dataset:
    dataset = Dataset(tmp_path_factory.mktemp("texts"))
    for key, text in sentences.items():
        dataset.add(key, text.encode())
    return dataset.freeze()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, folder) -> Job:
    return Job(tmp_path_factory.mktemp("prepare"), "prepare", folder.channels).must(**OPTIONS)


def read_statistics(job: Job):
    return json.loads((job.model / "statistics.json").read_text())


def test_the_same_texts_give_the_same_bytes(tmp_path, folder, prepared):
    again = Job(tmp_path, "prepare", folder.channels).must(**OPTIONS)
    for name in [*_FILES, "statistics.json"]:
        assert (again.model / name).read_bytes() == (prepared.model / name).read_bytes(), name


def test_the_vocabulary_is_the_training_splits_alone(prepared, sentences):
    statistics = read_statistics(prepared)
    training = " ".join(text for key, text in sentences.items() if split_of(key) == "train").split()
    assert set(statistics["vocabulary"]) == {word for word in training if training.count(word) > 1}
    counts = [training.count(word) for word in statistics["vocabulary"]]
    assert counts == sorted(counts, reverse=True)
    kept = [record.payload.decode() for record in read_records(prepared.model / "test.rec")]
    assert kept == [sentences[key] for key in statistics["keys"]["test"]]


def test_a_column_of_texts_gives_the_same_model_as_files_of_the_same_keys(tmp_path, sentences):
    dataset = Dataset(tmp_path / "data")
    rows = "".join(f'{key[:2]},"{text}"\n' for key, text in sentences.items())
    dataset.add("all.csv", f"language,sentence\n{rows}".encode())
    options = {"format": "csv", "label_column": "language", "text_column": "sentence", "length": 12}
    statistics = read_statistics(Job(tmp_path / "job", "prepare", dataset.freeze().channels).must(**options))
    assert (statistics["labels"], statistics["layout"], statistics["image_count"]) == (["de", "en"], "NT", 40)
    assert "features" not in statistics


def test_texts_are_learned_and_judged_twice_alike(tmp_path, prepared):
    channel = prepared.pack()
    options = {"network": "lstm", "epochs": 5, "batch_size": 8, "learning_rate": 0.02, "threads": 1, "seed": 5}
    trained, again = (Job(tmp_path / name, "train", {"prepared": channel}).must(**options) for name in "ab")
    assert (trained.model / "model-0000.params").read_bytes() == (again.model / "model-0000.params").read_bytes()
    signature = json.loads((trained.model / "signature.json").read_text())
    assert (signature["kind"], signature["width"], signature["tokenizer"]) == ("text", 12, "words")
    challenger = trained.pack()
    channels = {"prepared": channel, "challenger": challenger}
    judged = Job(tmp_path / "evaluate", "evaluate", channels).must(challenger_sha256=digest(challenger))
    assert json.loads((judged.model / "report.json").read_text())["challenger"]["accuracy"] > 0.7
    examples = json.loads((judged.model / "smoke.json").read_text())["examples"]
    assert {example["text"] for example in examples} <= set(write_sentences().values())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\xfe", "de/bad.txt (no UTF-8: invalid start byte)"),
        (b" \n", "de/bad.txt (no text)"),
        (b"a\0b", "de/bad.txt (no text, it holds zeros)"),
    ],
)
def test_a_file_that_is_no_text_is_told_by_name(tmp_path, body, reason):
    dataset = Dataset(tmp_path)
    for key, text in write_sentences().items():
        dataset.add(key, text.encode())
    dataset.add("de/bad.txt", body)
    job = Job(tmp_path / "job", "prepare", dataset.freeze().channels)
    assert job.run(**OPTIONS) == 1
    assert reason in job.reason


def test_a_text_that_changed_after_freezing_is_refused(tmp_path):
    dataset = Dataset(tmp_path)
    for key, text in write_sentences().items():
        dataset.add(key, text.encode())
    (dataset.freeze().images / "en/03.txt").write_text("something else entirely, of another size")
    job = Job(tmp_path / "job", "prepare", dataset.channels)
    assert job.run(**OPTIONS) == 1
    assert "changed after the dataset was frozen: en/03.txt" in job.reason
