"""The two loops that `training_speed.py` compares, one a process, in the environment that has MXNet."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

SIDES = ("plain", "ratchet")
_SEED = 7


class Watched:
    """Counts the seconds that a loop spends in `next`: waiting for a batch, or making one."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def over(self, batches: Any) -> Iterator[Any]:
        iterator = iter(batches)
        while True:
            began = time.perf_counter()
            batch = next(iterator, None)
            self.seconds += time.perf_counter() - began
            if batch is None:
                return
            yield batch


def main() -> None:
    """Train for some epochs and print, as JSON, what the epochs behind the first took."""
    side, prepared, network, batch, epochs = sys.argv[1:]
    os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    loop = {"plain": run_plain, "ratchet": run_ratchet}[side]
    sys.stdout.write(json.dumps(loop(Path(prepared), network, int(batch), int(epochs))) + "\n")


def run_plain(prepared: Path, network: str, size: int, epochs: int) -> dict[str, float]:
    """The loop of MXNet's tutorials: a DataLoader with transforms, a plain network, a metric at each step."""
    import mxnet as mx
    from mxnet import autograd, gluon
    from mxnet.gluon.data.vision import transforms

    from training import zoo
    from training.shard import read_statistics, signature_of

    signature = signature_of(read_statistics(prepared, ["train"]))
    mean, std = [[value / 255 for value in values] for values in (signature.mean, signature.std)]
    flag = 1 if signature.channels == 3 else 0
    dataset = gluon.data.vision.ImageRecordDataset(str(prepared / "train.rec"), flag=flag)
    prepare = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])
    loader = gluon.data.DataLoader(dataset.transform_first(prepare), batch_size=size, shuffle=True, last_batch="keep")
    mx.random.seed(_SEED)
    net = zoo.build(network, len(signature.labels), signature.channels)
    net.initialize(mx.init.Xavier())
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.001})

    def learn(watched: Watched) -> int:
        metric, total, count = mx.metric.Accuracy(), 0.0, 0
        for data, label in watched.over(loader):
            with autograd.record():
                output = net(data)
                loss = loss_of(output, label)
            loss.backward()
            trainer.step(len(data))
            metric.update([label], [output])
            total += loss.mean().asscalar()
            count += len(data)
        return count

    return measure(learn, epochs)


def run_ratchet(prepared: Path, network: str, size: int, epochs: int) -> dict[str, float]:
    """What `training/train.py` runs in each epoch."""
    import mxnet as mx

    from training.checkpoint import Progress
    from training.learner import Learner
    from training.shard import read_statistics, signature_of
    from training.table_batches import open_batches
    from training.train import parse

    signature = signature_of(read_statistics(prepared, ["train"]))
    batches = open_batches(prepared, signature, size=size, threads=len(os.sched_getaffinity(0)))
    make, watching = batches.shuffled, [Watched()]
    batches.shuffled = lambda *given, **more: watching[0].over(make(*given, **more))  # type: ignore[method-assign]
    options = parse(["--network", network, "--batch-size", str(size), "--seed", str(_SEED)])
    learner = Learner(batches, options, [mx.cpu()], prepared / "best.params")
    epoch = iter(range(1, epochs + 2))

    def learn(watched: Watched) -> int:
        watching[0] = watched
        (_, _, count), _ = learner.learn(next(epoch), Progress(), lambda: False)
        return count

    return measure(learn, epochs)


def measure(learn: Any, epochs: int) -> dict[str, float]:
    """Samples a second, and a second of processors, and the share of the time that is spent on the next batch."""
    learn(Watched())  # allocates, and tunes convolutions
    watched, began, worked = Watched(), time.perf_counter(), time.process_time()
    count = sum(learn(watched) for _ in range(epochs))
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    return {
        "samples_per_second": count / seconds,
        "samples_per_cpu_second": count / worked,  # hangs less on what else the machine does
        "waiting_percent": 100 * watched.seconds / seconds,
    }


if __name__ == "__main__":
    main()
