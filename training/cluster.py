"""Several machines that train one network: MXNet's parameter server over the hosts of the job, `dist_sync`.

The first host runs the scheduler and a server beside its worker, every other host a worker and a server of its own.
Each worker learns on its share of every batch; gradients are summed over the hosts before each update, so that all of
them hold the same weights at every step. MXNet reads `DMLC_*` when it is imported: join first, import later.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from training.container import DataProblem, Interrupted

_PORT = "9091"
_END_SECONDS = 20.0
_ERROR_SECONDS = 3.0
_LOOK_SECONDS = 1.0
# Importing MXNet is what a scheduler and a server do: they return when every worker has ended.
_SERVE = "import mxnet"
_MOST_NUMBERS = 8
_KEY = 1 << 30  # the numbers below are the parameters'


class Place(NamedTuple):
    """Where this process is among the job's hosts; `rank` 0 writes what the job leaves."""

    rank: int
    size: int
    environment: Mapping[str, str]

    @property
    def leads(self) -> bool:
        """Whether this host writes checkpoints, metrics and the model."""
        return self.rank == 0


ALONE = Place(0, 1, {})


def find_place(hosts: Sequence[str], current: str, resolve: Callable[[str], str] = socket.gethostbyname) -> Place:
    """Work out this host's place.

    Parameters
    ----------
    hosts, current
        `SM_HOSTS` and `SM_CURRENT_HOST`.
    resolve
        From a host's name to its address.
    """
    if len(hosts) < 2:
        return ALONE
    if current not in hosts:
        raise DataProblem("the job's hosts are %s, and this one is called %r" % (", ".join(hosts), current))
    count = str(len(hosts))
    names = {
        "DMLC_PS_ROOT_URI": resolve(hosts[0]),
        "DMLC_PS_ROOT_PORT": _PORT,
        "DMLC_NODE_HOST": resolve(current),
        "DMLC_NUM_SERVER": count,
        "DMLC_NUM_WORKER": count,
    }
    return Place(list(hosts).index(current), len(hosts), names)


@contextmanager
def join(place: Place) -> Iterator[None]:
    """Start this host's part of the parameter server, and end it with the training; alone, there is nothing to start.

    A server that dies takes the training with it: the others would wait for it for ever.
    """
    if place.size == 1:
        yield
        return
    os.environ.update(place.environment, DMLC_ROLE="worker")
    roles = ["scheduler", "server"] if place.leads else ["server"]
    started = [_start(role) for role in roles]
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(started, over), daemon=True)
    watcher.start()
    patience = _ERROR_SECONDS  # nobody says goodbye then; but the other hosts may still wait for an answer
    try:
        yield
        patience = _END_SECONDS
    finally:
        over.set()
        watcher.join()
        for process in started:
            _end(process, patience)


def _start(role: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", _SERVE], env=dict(os.environ, DMLC_ROLE=role))


def _watch(started: List["subprocess.Popen[bytes]"], over: threading.Event) -> None:
    while not over.wait(_LOOK_SECONDS):
        codes = [process.poll() for process in started]
        if any(codes):  # None while it runs, 0 when every worker has ended
            sys.stderr.write("a part of the parameter server ended with %s: the training cannot go on\n" % codes)
            os._exit(1)


def _leave_at_once() -> None:
    """End without MXNet's own farewell, which waits for the other hosts and then aborts."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _end(process: "subprocess.Popen[bytes]", patience_seconds: float) -> None:
    try:
        process.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Group:
    """The hosts as the training sees them: a kvstore, and sums over all of them.

    Parameters
    ----------
    place
        Where this one is.
    gpus
        How many GPUs a host has.
    """

    def __init__(self, place: Place, gpus: int = 0) -> None:
        self.place = place
        self.kvstore: Any = "device" if gpus > 1 else None
        if place.size > 1:
            import mxnet as mx

            self.kvstore = mx.kv.create("dist_device_sync" if gpus else "dist_sync")
            self.kvstore.init(_KEY, mx.nd.zeros((_MOST_NUMBERS,)))

    def total(self, numbers: Sequence[float]) -> List[float]:
        """Sums over all hosts; every host must ask, in the same order, and gets the same answer.

        Numbers travel with 24 bits: a count above 16 million is not exact.
        """
        if self.place.size == 1:
            return list(numbers)
        import mxnet as mx

        row = list(numbers) + [0.0] * (_MOST_NUMBERS - len(numbers))
        self.kvstore.push(_KEY, mx.nd.array(row))
        found = mx.nd.zeros((_MOST_NUMBERS,))
        self.kvstore.pull(_KEY, out=found)
        return [float(number) for number in found.asnumpy()[: len(numbers)]]

    def __enter__(self) -> "Group":
        return self

    def __exit__(self, kind: Optional[type], *_: Any) -> None:
        """Say goodbye, together with the other hosts; after an error, without a word: they may never answer.

        Not left to the garbage collector: MXNet's trainer keeps the store as long as the process lives.
        """
        if self.place.size == 1:
            return
        from mxnet.base import _LIB, KVStoreHandle, check_call

        handle, self.kvstore.handle = self.kvstore.handle, KVStoreHandle()
        if kind is None or issubclass(kind, Interrupted):
            check_call(_LIB.MXKVStoreFree(handle))
        else:
            atexit.register(_leave_at_once)

    def agree(self, number: float, what: str) -> None:
        """Fail, on every host alike, when the hosts do not say the same."""
        said, squares = self.total([number, number * number])
        size = self.place.size
        if abs(squares * size - said * said) > 1e-3 * max(1.0, said * said):
            raise DataProblem(
                "the hosts disagree on %s: this one says %g, all together %g. Start the job again with checkpoints "
                "that every host has" % (what, number, said)
            )
