"""Train a network of the zoo on prepared shards: seeded, resumable, stopped early, one metric line an epoch."""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ratchet.contract import METRIC_NAMES, digest_of, metric_line
from training.checkpoint import BEST, Checkpoints, Progress
from training.cluster import Place, find_place, join
from training.container import Arguments, Container, DataProblem, Interrupted, Stop, at_least, run, set_threads
from training.precision import CHOICES, Precision, choose_precision
from training.shard import open_prepared, read_statistics, signature_of, take_share

if TYPE_CHECKING:
    from training.learner import Learner

_SPLITS = ("train", "validation")
# What may change without making a checkpoint another training's.
_FREE = ("epochs", "patience")


def parse(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Read the hyperparameters."""
    parser = Arguments(__doc__)
    parser.add_argument("--network", default="lenet", help="a file of training/zoo/")
    parser.add_argument("--epochs", type=at_least(1, int), default=10)
    parser.add_argument("--batch-size", type=at_least(1, int), default=32)
    parser.add_argument("--learning-rate", type=at_least(1e-12, float), default=0.001)
    parser.add_argument("--optimizer", choices=("adam", "sgd"), default="adam")
    parser.add_argument("--patience", type=at_least(1, int), default=5, help="epochs without anything better")
    parser.add_argument("--seed", type=at_least(0, int), default=1)
    parser.add_argument("--augment", choices=("none", "light"), default="none")
    parser.add_argument("--threads", type=at_least(0, int), default=0, help="0: all; 1: the same weights every time")
    parser.add_argument("--precision", choices=CHOICES, default="auto", help="auto: amp where a GPU is, else fp32")
    parser.add_argument("--init-from", choices=("scratch", "champion"), default="scratch", help="the first weights")
    parser.add_argument("--champion-sha256", default="", help="of the archive in the channel `champion`")
    parser.add_argument("--checkpoint-dir", type=Path, help="other than CheckpointConfig's default LocalPath")
    return parser.parse_args(arguments)


def fingerprint(options: argparse.Namespace, statistics: Dict[str, Any]) -> str:
    """Digest of what makes a training this one: hyperparameters and data."""
    plain = {name: value for name, value in vars(options).items() if name not in (*_FREE, "checkpoint_dir", "threads")}
    return digest_of([plain, statistics["labels"], {split: statistics["shards"][split]["sha256"] for split in _SPLITS}])


def train(learner: Learner, checkpoints: Checkpoints, stop: Stop) -> Progress:
    """Train until the epochs are done or nothing gets better; `learner.best` then holds the best weights.

    Raises
    ------
    Interrupted
        After SIGTERM, when everything is saved.
    """
    options = learner.options
    progress = resume(learner, checkpoints)
    while not progress.is_over(options.epochs, options.patience):
        progress = advance(learner, progress, stop)
        if learner.group.place.leads:
            checkpoints.save(progress, learner.write_checkpoint)
        (stopping,) = learner.group.total([stop.asked])
        if stopping and not progress.is_over(options.epochs, options.patience):
            raise Interrupted(
                "SIGTERM stopped the training after epoch %d and %d batches: start the job again with the same "
                "checkpoints, and it goes on from there" % (progress.epoch, progress.steps)
            )
    if progress.epoch < options.epochs:
        print("stopped early: nothing better since epoch %d" % progress.best_epoch, flush=True)
    return progress


def resume(learner: Learner, checkpoints: Checkpoints) -> Progress:
    """Where training stands: at the newest good checkpoint, or at its beginning."""
    found = checkpoints.find()
    learner.group.agree(found[0].epoch if found else 0, "the epoch to go on from")
    if found is None:
        return Progress()
    progress, folder = found
    learner.restore(progress, folder)
    print("resumed after epoch %d and %d batches" % (progress.epoch, progress.steps), flush=True)
    return progress


def advance(learner: Learner, progress: Progress, stop: Stop) -> Progress:
    """One epoch further, or as far into it as a stop allows."""
    epoch, started, seen = progress.epoch + 1, time.monotonic(), progress.sums[2]
    # Several hosts stop together, at the end of an epoch; one alone stops at once.
    alone = learner.group.place.size == 1
    (loss, hits, count), steps = learner.learn(epoch, progress, lambda: stop.asked and alone)
    if steps is not None:
        return replace(progress, steps=steps, sums=(loss, hits, count), updates=learner.updates)
    if not math.isfinite(loss):
        raise DataProblem("the loss is no number any more in epoch %d: lower --learning-rate" % epoch)
    speed = (count - seen) / (time.monotonic() - started)
    validation_loss, validation_hits, validation_count = learner.validate()
    values = (
        epoch,
        loss / count,
        hits / count,
        validation_loss / validation_count,
        validation_hits / validation_count,
        speed,
    )
    metrics = dict(zip(METRIC_NAMES, values))
    after = progress.after(metrics, learner.updates)
    if after.best_epoch == epoch:
        learner.keep_best()
    if learner.group.place.leads:
        print(metric_line(metrics), flush=True)
    return after


def share_of(folder: Path, statistics: Dict[str, Any], place: Place, scratch: Path) -> Path:
    """The folder with this host's share of the shards; the shards themselves when it is alone."""
    if place.size == 1:
        return folder
    smallest = min(statistics["shards"][split]["count"] for split in _SPLITS)
    if smallest < place.size:
        raise DataProblem("%d examples are too few for %d hosts: use fewer" % (smallest, place.size))
    return take_share(folder, scratch / "share", list(_SPLITS), rank=place.rank, size=place.size)


def learn(container: Container, options: argparse.Namespace, place: Place, scratch: Path) -> Progress:
    """Train on this host's share and, on the first host, export the best epoch."""
    mixed = choose_precision(options.precision, container.gpus) == "amp"
    threads = set_threads(options.threads)
    folder = open_prepared(container.channel("prepared"), scratch / "prepared")
    statistics = read_statistics(folder, list(_SPLITS))
    share = share_of(folder, statistics, place, scratch)
    # MXNet counts its threads, and learns its role, when it is imported.
    from training.ancestor import adopt_weights
    from training.artefact import export
    from training.cluster import Group
    from training.learner import Learner, devices
    from training.table_batches import open_batches

    # The same on every host: the last one has the fewest examples.
    least = {split: statistics["shards"][split]["count"] // place.size for split in _SPLITS}
    size = min(max(1, options.batch_size // place.size), *least.values())
    batches = open_batches(share, signature_of(statistics), size=size, threads=threads)
    steps = math.ceil(least["train"] / size) if place.size > 1 else None
    checkpoints = Checkpoints(options.checkpoint_dir or container.checkpoint_folder, fingerprint(options, statistics))
    stop = Stop()
    stop.listen()
    with Group(place, container.gpus) as group:
        contexts = devices(container.gpus)
        learner = Learner(
            batches, options, contexts, scratch / BEST, group=group, steps=steps, precision=Precision(mixed=mixed)
        )
        if options.init_from == "champion":
            channel, target = container.channel("champion"), scratch / "champion"
            told = adopt_weights(learner.net, channel, options.champion_sha256, scratch=target, contexts=contexts)
            print(told, flush=True)
        progress = train(learner, checkpoints, stop)
        if place.leads:
            export(learner, progress, statistics, container.model_folder)
    return progress


def main() -> None:
    """Train on the job's prepared shards, with the job's other hosts if it has any."""
    container, options = Container(), parse()
    place = find_place(container.hosts, container.current_host)
    with tempfile.TemporaryDirectory(prefix="ratchet-train-", dir=container.scratch_parent) as name, join(place):
        progress = learn(container, options, place, Path(name))
    if place.leads and progress.best_epoch < progress.epoch:
        # Once more, last: a job is judged by what was exported.
        print(metric_line(progress.history[progress.best_epoch - 1]), flush=True)
    print("exported epoch %d, validation accuracy %.4f" % (progress.best_epoch, progress.best_accuracy), flush=True)


if __name__ == "__main__":
    run(main)
