"""ELBv2 that balances loads: listeners answer on real ports of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlsplit

from moto.elbv2.models import ELBv2Backend, elbv2_backends

from localcloud.backend import every_backend
from localcloud.engine import Engine, Host
from localcloud.engines.elbv2_backend import Backend
from localcloud.engines.elbv2_cloudformation import replace_resources
from localcloud.loadbalancer import DataPlane
from localcloud.loadbalancer_metric import record_exchange
from localcloud.metric import Region, Sample

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Elbv2Engine:
    """Hooks into moto's ELBv2."""

    name = "elbv2"

    def __init__(self) -> None:
        self._plane: DataPlane | None = None
        self._undo: list[Callable[[], None]] = []

    def install(self, host: Host) -> None:
        """Replace moto's backend and CloudFormation resources."""
        dns_name, addresses = _reach(host.endpoint_url)
        self._plane = DataPlane(addresses, observe=partial(record_exchange, host.metrics))
        host.metrics.add_gauge(_count_hosts)
        elbv2_backends.clear()
        elbv2_backends.backend = type(
            "ELBv2Backend",
            (Backend,),
            {"plane": self._plane, "dns_name": dns_name, "__module__": ELBv2Backend.__module__},
        )
        self._undo = [replace_resources(), _restore_backend, self._plane.close]

    def resume(self) -> None:
        """Listen again on the listeners' ports, and look at the targets."""
        for backend in every_backend(elbv2_backends, Backend):
            backend.resume()

    def close(self) -> None:
        """Free every port and undo what `install` changed."""
        while self._undo:
            self._undo.pop()()


def engine() -> Engine:
    """Return the engine, for `load_engines`."""
    return Elbv2Engine()


def _reach(endpoint_url: str) -> tuple[str, tuple[str, ...]]:
    # Who reaches localcloud from another machine (a container) reaches its load balancers under the same name.
    name = urlsplit(endpoint_url).hostname or "localhost"
    if name in _LOOPBACK_NAMES:
        return "localhost", ("127.0.0.1", "::1")
    return name, ("0.0.0.0",)  # noqa: S104 - asked for by an endpoint that is not loopback


def _count_hosts() -> Iterator[tuple[Region, Sample]]:
    for backend in every_backend(elbv2_backends, Backend):
        yield from backend.count_hosts()


def _restore_backend() -> None:
    elbv2_backends.backend = ELBv2Backend
    elbv2_backends.clear()
