"""Half precision where a GPU is there: MXNet's automatic mixed precision, with a loss that is scaled."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, List

from training.container import DataProblem

CHOICES = ("auto", "fp32", "amp")


def choose_precision(asked: str, gpus: int) -> str:
    """`amp` or `fp32`; `auto` is `amp` where there is a GPU.

    Raises
    ------
    DataProblem
        When `amp` is asked for and there is no GPU: a processor would be slower with it.
    """
    if asked == "amp" and not gpus:
        raise DataProblem("--precision amp needs a GPU, and this machine has none: set `fp32` or `auto`")
    return "amp" if asked != "fp32" and gpus else "fp32"


class Precision:
    """How a training computes.

    Parameters
    ----------
    mixed
        Whether operators that gain from it compute in 16 bits. Before the first network is built.
    """

    def __init__(self, *, mixed: bool) -> None:
        self.mixed = mixed
        if mixed:
            from mxnet.contrib import amp

            amp.init()

    def prepare(self, trainer: Any) -> None:
        """Let a trainer leave out steps whose gradients are no numbers."""
        if self.mixed:
            from mxnet.contrib import amp

            amp.init_trainer(trainer)

    @contextmanager
    def scaled(self, losses: List[Any], trainer: Any) -> Iterator[List[Any]]:
        """The losses to go back from; within `autograd.record`."""
        if not self.mixed:
            yield losses
            return
        from mxnet.contrib import amp

        with amp.scale_loss(losses, trainer) as scaled:
            yield scaled


FULL = Precision(mixed=False)
