"""A network, its optimizer and its devices: learns an epoch, is validated, saved and restored."""

from __future__ import annotations

import argparse
import shutil
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import mxnet as mx
from mxnet import autograd, gluon

from training import zoo
from training.batches import Batches, share
from training.checkpoint import BEST, PARAMS, STATES, Progress
from training.cluster import ALONE, Group
from training.optimizer_state import load_state, save_state
from training.precision import FULL, Precision

Sums = Tuple[float, float, int]  # loss, hits, examples
_EPOCH_SEEDS = 10_007


class Learner:
    """One training's moving parts.

    Parameters
    ----------
    batches
        The data.
    options
        The hyperparameters.
    contexts
        MXNet's devices; each batch is split among them.
    best
        File for the weights of the best epoch.
    group
        The hosts that learn together.
    steps
        Batches of an epoch; every host must take as many.
    precision
        How it computes.
    """

    def __init__(  # noqa: PLR0913 - what a training is made of; the last three have a plain default
        self,
        batches: Batches,
        options: argparse.Namespace,
        contexts: List[Any],
        best: Path,
        *,
        group: Optional[Group] = None,
        steps: Optional[int] = None,
        precision: Precision = FULL,
    ) -> None:
        self.batches = batches
        self.group = group or Group(ALONE, len(contexts))
        self.steps = steps
        self.options = options
        self.contexts = contexts
        self.best = best
        mx.random.seed(options.seed)
        signature = batches.signature
        inputs = signature.token_count if signature.kind == "text" else signature.channels
        self.net = zoo.build(options.network, len(signature.labels), inputs)
        self.net.initialize(mx.init.Xavier(), ctx=contexts)
        # Layers that learn their input's size learn it now, so that the parameters can be saved and loaded.
        self.probe()
        self.examiner = _Examiner(self.net, batches.make_scaling(), contexts)
        settings = {"learning_rate": options.learning_rate}
        if options.optimizer == "sgd":
            settings["momentum"] = 0.9
        self.trainer = gluon.Trainer(
            self.net.collect_params(), options.optimizer, settings, kvstore=self.group.kvstore, update_on_kvstore=False
        )

        self.precision = precision
        precision.prepare(self.trainer)
        if self.group.place.size > 1:
            self._share_weights()

    def _share_weights(self) -> None:
        """Give every host the same weights, and wait until they are there.

        Left to the first step, as MXNet does it, they may still be arriving while they are updated already, and the
        hosts learn different networks.
        """
        self.trainer._init_kvstore()
        self.trainer._init_params()
        mx.nd.waitall()

    def probe(self) -> None:
        """Ask the network about an empty example."""
        shape = (1, *self.batches.signature.input_shape)
        for context in self.contexts:
            self.net(mx.nd.zeros(shape, ctx=context)).wait_to_read()

    @property
    def updates(self) -> int:
        """How often the weights have been updated."""
        return int(self.trainer._optimizer.num_update)

    def learn(self, epoch: int, progress: Progress, asked_to_stop: Callable[[], bool]) -> Tuple[Sums, Optional[int]]:
        """Go through the training split, from where `progress` stands in it, until it ends or a stop is asked for.

        The order of an epoch depends on seed and epoch alone, so a resumed training is the one that was interrupted.
        Only what a dropout layer drops in the rest of an interrupted epoch is not the same.

        Returns
        -------
        Sums of loss, hits and examples, and the number of batches done; None when the epoch is complete.
        """
        seed = self.options.seed * _EPOCH_SEEDS + epoch
        mx.random.seed(seed)
        tally, before = _Tally(progress.sums), None
        batches = self.batches.shuffled("train", seed, augment=self.options.augment)
        for done, batch in enumerate(islice(batches, self.steps)):
            if done < progress.steps:
                continue
            if asked_to_stop():
                return tally.read(), done
            self._step(batch, tally)
            # Waiting for the step before last keeps MXNet's queue short and never leaves it empty.
            if before is not None:
                before.wait_to_read()
            before = tally.last
        return self._sum(tally), None

    def _step(self, batch: Any, tally: _Tally) -> None:
        losses = []
        with autograd.record():
            for data, label, mask, real in share(batch, self.contexts):
                loss, sums = self.examiner(data, label, mask)
                losses.append(loss)
                tally.add(sums, real)
            with self.precision.scaled(losses, self.trainer) as scaled:
                autograd.backward(scaled)
        self.trainer.step(batch.data[0].shape[0] * self.group.place.size)

    def validate(self) -> Sums:
        """Sums of loss, hits and examples over the validation split."""
        tally = _Tally((0.0, 0.0, 0))
        for batch in self.batches.ordered("validation"):
            for data, label, mask, real in share(batch, self.contexts):
                tally.add(self.examiner(data, label, mask)[1], real)
        return self._sum(tally)

    def _sum(self, tally: _Tally) -> Sums:
        loss, hits, examples = self.group.total(tally.read())
        return loss, hits, int(examples)

    def keep_best(self) -> None:
        """Remember the weights as they are now."""
        self.net.save_parameters(str(self.best))

    def write_checkpoint(self, folder: Path) -> None:
        """Write weights, the optimizer's state and the best weights into a checkpoint's folder."""
        self.net.save_parameters(str(folder / PARAMS))
        save_state(self.trainer, folder / STATES)
        if self.best.exists():
            shutil.copyfile(str(self.best), str(folder / BEST))

    def restore(self, progress: Progress, folder: Path) -> None:
        """Go on from a checkpoint's folder."""
        self.net.load_parameters(str(folder / PARAMS), ctx=self.contexts)
        load_state(self.trainer, folder / STATES, progress.updates)
        if progress.best_epoch:
            shutil.copyfile(str(folder / BEST), str(self.best))


class _Examiner(gluon.HybridBlock):
    """Scaling, network, loss and figures as one graph, which is planned once and then only run."""

    def __init__(self, net: Any, scaling: Any, contexts: List[Any]) -> None:
        super().__init__()
        self.net = net
        self.scaling = scaling
        self.loss = gluon.loss.SoftmaxCrossEntropyLoss()
        scaling.initialize(ctx=contexts)
        self.hybridize(static_alloc=True, static_shape=True)

    def hybrid_forward(self, F: Any, data: Any, label: Any, mask: Any) -> Any:
        """The loss of each example, and the sums of loss and hits over those with a 1 in `mask`."""
        output = self.net(self.scaling(data))
        loss = self.loss(output, label)
        hits = F.broadcast_equal(output.argmax(axis=1), label)
        return loss, F.BlockGrad(F.stack((loss * mask).sum(), (hits * mask).sum(), axis=0).reshape((2,)))


class _Tally:
    """Sums that stay where they are computed: reading them at every step would make each step wait."""

    def __init__(self, start: Sums) -> None:
        self.loss, self.hits, self.examples = start
        self.last: Any = None
        self._sums: Dict[str, Any] = {}

    def add(self, sums: Any, real: int) -> None:
        where = str(sums.context)
        # Summed up outside of what is recorded, or the whole epoch would be one graph.
        with autograd.pause():
            self._sums[where] = self.last = self._sums[where] + sums if where in self._sums else sums.copy()
        self.examples += real

    def read(self) -> Sums:
        sums = [array.asnumpy() for array in self._sums.values()]
        loss = self.loss + sum(float(pair[0]) for pair in sums)
        return loss, self.hits + sum(float(pair[1]) for pair in sums), self.examples


def devices(gpus: int) -> List[Any]:
    """Every GPU the job may use, else the processor."""
    return [mx.gpu(number) for number in range(gpus)] or [mx.cpu()]
