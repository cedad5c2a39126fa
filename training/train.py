"""Train a network of the zoo on prepared shards: seeded, resumable, stopped early, one metric line an epoch."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Optional, Sequence, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from training.container import Container, DataProblem, run, set_threads

set_threads()

import mxnet as mx  # noqa: E402 - the threads are counted when it is imported
from mxnet import autograd, gluon  # noqa: E402

from ratchet.contract import (  # noqa: E402
    LABELS_FILE,
    METRICS_FILE,
    SIGNATURE_FILE,
    Signature,
    metric_line,
    write_manifest,
)
from training import zoo  # noqa: E402
from training.checkpoint import BEST, PARAMS, STATES, Checkpoints, Progress  # noqa: E402
from training.shard import iterate, open_prepared, read_statistics, signature_of  # noqa: E402


class Stop:
    """Set by SIGTERM: SageMaker wants the job to end and gives it two minutes."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_: Any) -> None:
        self.asked = True


def parse(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Read the hyperparameters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="lenet", help="a file of training/zoo/")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=0.001)
    parser.add_argument("--optimizer", choices=("adam", "sgd"), default="adam")
    parser.add_argument("--patience", type=int, default=5, help="epochs without a better validation accuracy")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--augment", choices=("none", "light"), default="none")
    return parser.parse_args(arguments)


class Training:
    """One training, epoch by epoch.

    Parameters
    ----------
    folder
        Holds the shards.
    signature
        How the model is fed.
    options
        The hyperparameters.
    context
        Where MXNet computes.
    """

    def __init__(self, folder: Path, signature: Signature, options: argparse.Namespace, context: Any) -> None:
        self.folder = folder
        self.signature = signature
        self.options = options
        self.context = context
        mx.random.seed(options.seed)
        self.net = zoo.build(options.network, len(signature.labels), signature.channels)
        self.net.initialize(mx.init.Xavier(), ctx=context)
        # Layers that learn their input's size learn it now, so that the parameters can be saved and loaded.
        self.net(mx.nd.zeros((1, signature.channels, signature.height, signature.width), ctx=context))
        self.net.hybridize(static_alloc=True, static_shape=True)
        self.loss = gluon.loss.SoftmaxCrossEntropyLoss()
        settings = {"learning_rate": options.learning_rate}
        if options.optimizer == "sgd":
            settings["momentum"] = 0.9
        self.trainer = gluon.Trainer(self.net.collect_params(), options.optimizer, settings)

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint."""
        self.net.load_parameters(str(folder / PARAMS), ctx=self.context)
        self.trainer.load_states(str(folder / STATES))

    def learn(self, epoch: int, stop: Stop) -> Tuple[float, float, int]:
        """Go through the training split once; return loss, accuracy and the number of samples.

        The order of an epoch depends on seed and epoch alone, so a resumed training is the one that was interrupted.
        """
        seed = self.options.seed * 10_007 + epoch
        mx.random.seed(seed)
        options = {"shuffle": True, "seed": seed, "seed_aug": seed, "shuffle_chunk_seed": seed}
        if self.options.augment == "light":
            options.update({"pad": 2, "rand_crop": True, "fill_value": 0})
        total, right, count = self._zero(), self._zero(), 0
        for batch in iterate(self.folder, "train", self.signature, self.options.batch_size, **options):
            if stop.asked:
                break
            data, label, size = self._unpack(batch)
            with autograd.record():
                output = self.net(data)
                loss = self.loss(output, label)
            loss.backward()
            self.trainer.step(data.shape[0])
            # Sums stay where they are computed: reading them here would make every step wait.
            total, right, count = total + loss[:size].sum(), right + _hits(output, label, size), count + size
        return float(total.asscalar()) / max(1, count), float(right.asscalar()) / max(1, count), count

    def validate(self) -> Tuple[float, float]:
        """Loss and accuracy on the validation split."""
        total, right, count = self._zero(), self._zero(), 0
        for batch in iterate(self.folder, "validation", self.signature, self.options.batch_size):
            data, label, size = self._unpack(batch)
            output = self.net(data)
            total, right = total + self.loss(output, label)[:size].sum(), right + _hits(output, label, size)
            count += size
        return float(total.asscalar()) / max(1, count), float(right.asscalar()) / max(1, count)

    def _zero(self) -> Any:
        return mx.nd.zeros((1,), ctx=self.context)

    def _unpack(self, batch: Any) -> Tuple[Any, Any, int]:
        # The iterator hands out pinned arrays, which a hybridized network refuses.
        data = batch.data[0].as_in_context(self.context)
        label = batch.label[0].as_in_context(self.context)
        return data, label, data.shape[0] - batch.pad


def _hits(output: Any, label: Any, size: int) -> Any:
    return (output.argmax(axis=1)[:size] == label[:size]).sum()


def train(training: Training, checkpoints: Checkpoints, best: Path, stop: Stop) -> Progress:
    """Train until the epochs are done, nothing gets better, or SIGTERM came; `best` then holds the best weights."""
    options = training.options
    progress = Progress(seed=options.seed)
    found = checkpoints.find(options.seed)
    if found is not None:
        progress, folder = found
        training.restore(folder)
        best.write_bytes((folder / BEST).read_bytes())
        print("resumed after epoch %d" % progress.epoch, flush=True)
    for epoch in range(progress.epoch + 1, options.epochs + 1):
        if epoch - 1 - progress.best_epoch >= options.patience:
            print("stopped early: nothing better since epoch %d" % progress.best_epoch, flush=True)
            break
        started = time.monotonic()
        train_loss, train_accuracy, count = training.learn(epoch, stop)
        if stop.asked:
            print("asked to stop during epoch %d" % epoch, flush=True)
            break
        speed = count / (time.monotonic() - started)
        loss, accuracy = training.validate()
        progress, better = progress.after(epoch, accuracy, loss)
        if better:
            training.net.save_parameters(str(best))
        checkpoints.save(progress, training.net, training.trainer, best)
        values = (epoch, train_loss, train_accuracy, loss, accuracy, speed)
        names = (
            "epoch",
            "train_loss",
            "train_accuracy",
            "validation_loss",
            "validation_accuracy",
            "samples_per_second",
        )
        print(metric_line(dict(zip(names, values))), flush=True)
    return progress


def export(training: Training, best: Path, progress: Progress, target: Path) -> None:
    """Write the artefact of the best epoch: symbol, parameters, signature, labels, metrics and manifest."""
    target.mkdir(parents=True, exist_ok=True)
    signature = training.signature
    training.net.load_parameters(str(best), ctx=training.context)
    shape = (1, signature.channels, signature.height, signature.width)
    training.net(mx.nd.zeros(shape, ctx=training.context)).wait_to_read()
    training.net.export(str(target / "model"), epoch=0)
    (target / SIGNATURE_FILE).write_text(json.dumps(signature.to_json(), sort_keys=True), "utf-8")
    (target / LABELS_FILE).write_text("\n".join(signature.labels) + "\n", "utf-8")
    metrics = {
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "validation_accuracy": progress.best_accuracy,
        "validation_loss": progress.best_loss,
    }
    metrics.update({"network": training.options.network, "seed": training.options.seed})
    (target / METRICS_FILE).write_text(json.dumps(metrics, sort_keys=True), "utf-8")
    write_manifest(target)


def main() -> None:
    """Train on the job's prepared shards."""
    container, options, stop = Container(), parse(), Stop()
    with tempfile.TemporaryDirectory(prefix="ratchet-train-") as scratch:
        folder = open_prepared(container.channel("prepared"), Path(scratch) / "prepared")
        signature = signature_of(read_statistics(folder))
        context = mx.gpu(0) if container.gpus else mx.cpu()
        training = Training(folder, signature, options, context)
        best = Path(scratch) / BEST
        progress = train(training, Checkpoints(container.checkpoint_folder), best, stop)
        if not best.exists():
            raise DataProblem("the job was stopped before its first epoch was complete: nothing was learnt")
        export(training, best, progress, container.model_folder)
    print("exported epoch %d, validation accuracy %.4f" % (progress.best_epoch, progress.best_accuracy))


if __name__ == "__main__":
    run(main)
