"""Checkpoints: the newest whole one of this training, whatever a kill left behind."""

from __future__ import annotations

import pytest

from training.checkpoint import ABOUT, BEST, PARAMS, STATES, Checkpoints, Progress


def epoch(accuracy: float, loss: float = 1.0) -> dict[str, float]:
    return {"validation_accuracy": accuracy, "validation_loss": loss}


def write(text: str):
    def write_into(folder):
        for name in (PARAMS, STATES, BEST):
            (folder / name).write_text(f"{name} of {text}")

    return write_into


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path, "this training")


@pytest.fixture
def two(checkpoints):
    first = Progress().after(epoch(0.5), 10)
    second = first.after(epoch(0.6), 20)
    checkpoints.save(first, write("first"))
    checkpoints.save(second, write("second"))
    return first, second


def test_finds_nothing_in_an_empty_folder(checkpoints):
    assert checkpoints.find() is None


def test_finds_the_newest(checkpoints, two):
    progress, folder = checkpoints.find()
    assert progress == two[1]
    assert (folder / PARAMS).read_text() == "net.params of second"


def test_one_within_an_epoch_is_newer_than_the_epoch_before(checkpoints, two):
    within = Progress(epoch=2, steps=7, sums=(3.5, 2.0, 40), updates=27, best_epoch=2, best_accuracy=0.6, best_loss=1.0)
    checkpoints.save(within, write("within"))
    assert checkpoints.find()[0] == within


@pytest.mark.parametrize("name", [PARAMS, STATES, BEST, ABOUT])
@pytest.mark.parametrize("damage", ["cut", "gone", "other"])
def test_a_damaged_one_is_passed_over(checkpoints, two, name, damage, capsys):
    path = checkpoints.find()[1] / name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-3] + (b"xyz" if damage == "other" else b""))
    assert checkpoints.find()[0] == two[0]
    assert "not whole and is passed over" in capsys.readouterr().out


def test_a_draft_that_a_kill_left_is_no_checkpoint_and_is_in_nobodys_way(checkpoints, two):
    def die(folder):
        (folder / PARAMS).write_text("half")
        raise KeyboardInterrupt

    third = two[1].after(epoch(0.7), 30)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(third, die)
    assert checkpoints.find()[0] == two[1]
    checkpoints.save(third, write("third"))
    assert checkpoints.find()[0] == third


def test_one_of_other_data_or_hyperparameters_is_none_of_ours(checkpoints, two, capsys):
    assert Checkpoints(checkpoints.folder, "another").find() is None
    assert "is of another training" in capsys.readouterr().out


def test_keeps_the_last_two(checkpoints, two):
    checkpoints.save(two[1].after(epoch(0.7), 30), write("third"))
    assert sorted(path.name[:10] for path in checkpoints.folder.iterdir()) == ["epoch-0002", "epoch-0003"]


def test_the_best_epoch_has_the_highest_accuracy_and_then_the_smallest_loss():
    progress = Progress()
    for accuracy, loss in [(0.5, 1.0), (0.7, 0.8), (0.7, 0.6), (0.6, 0.1), (0.7, 0.59999)]:
        progress = progress.after(epoch(accuracy, loss), 0)
    assert (progress.epoch, progress.best_epoch, progress.best_accuracy, progress.best_loss) == (5, 3, 0.7, 0.6)


@pytest.mark.parametrize(("patience", "over"), [(1, True), (2, True), (3, False)])
def test_patience_counts_the_epochs_without_anything_better(patience, over):
    progress = Progress().after(epoch(0.9), 1).after(epoch(0.8), 2).after(epoch(0.8), 3)
    assert progress.is_over(100, patience) == over
    assert progress.is_over(3, 100)
