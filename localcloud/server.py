"""The laptop's AWS: one HTTP server in front of moto, and the engines behind it."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.access import find_access_key
from localcloud.application import Application, Checks, Health, Pages, serialize
from localcloud.authorization import Authorization, Calls
from localcloud.body import set_vault
from localcloud.cgroup import find_cgroups
from localcloud.chain import Step, Wsgi
from localcloud.disturbance import Calendar, Disturbance
from localcloud.door import admit_loopback, admit_owner
from localcloud.engine import Engine, Host
from localcloud.eventfault import EventFaults
from localcloud.fault_page import FaultPage
from localcloud.faultbook import FaultBook
from localcloud.integrity import check_integrity
from localcloud.lock import every_lock
from localcloud.multipart import PartIntegrity
from localcloud.operation import Naming, Operations
from localcloud.precondition import Preconditions
from localcloud.process import Supervisor
from localcloud.roster import Roster
from localcloud.runtime import Runtimes
from localcloud.shelf import ModelShelf
from localcloud.spot import PATH as SPOT_PATH
from localcloud.spot import SpotDesk
from localcloud.unimplemented import Unimplemented
from localcloud.validation import Validator
from ratchet import __version__

if TYPE_CHECKING:
    from localcloud.durable.home import Durability

DEFAULT_PORT = 4566
DEFAULT_HOME = Path(".ratchet") / "localcloud"

_STOP_LOOK_SECONDS = 0.05
_only_one = threading.Lock()  # held by the instance that lives in this process


class PortInUse(Exception):
    """Somebody else listens where localcloud should; the message says what to do."""


class AlreadyRunning(Exception):
    """Another localcloud lives in this process."""


class LocalCloud:
    """An AWS in this process. One at a time: moto keeps its state in module variables.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one.
    home
        Folder for what containers leave; made when missing.
    mxnet_python
        Interpreter that stands in for the MXNet containers; `.venv-mxnet/bin/python` by default.
    engines
        The engines to run; all by default.
    region
        Region of what the engines do by themselves.
    public_name
        Name under which others reach this machine: what load balancers call themselves and children call AWS.
    enforce_iam
        Whether calls that no IAM policy of their caller allows are refused.
    durable
        Whether the state is kept in `home`, and taken up from there.

    Raises
    ------
    ValueError
        When the environment gives half an access key, or the one kept in the home cannot be read.
    """

    def __init__(  # noqa: PLR0913 - one for each option of the command line
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        home: Path = DEFAULT_HOME,
        mxnet_python: Path | None = None,
        engines: Sequence[Engine] | None = None,
        region: str = "us-east-1",
        public_name: str = "localhost",
        enforce_iam: bool = False,
        durable: bool = False,
    ) -> None:
        self._public_name = public_name
        self._host = host
        self._port = port
        self._home = home
        self._mxnet_python = mxnet_python
        self._region = region
        self.faults = FaultBook()
        self.calls = Calls()
        self._enforce_iam = enforce_iam
        self._event_faults = EventFaults(self.faults)
        self.access_key = find_access_key(home, os.environ)
        self._is_durable = durable
        self._durability: Durability | None = None
        self._bodies: Callable[[], None] | None = None
        self._scratch = home / "scratch-objects"
        self._roster = Roster(engines)
        self._supervisor = Supervisor(find_cgroups())
        self._spot = SpotDesk()
        self._server: Any = None
        self._dispatcher: Any = None
        self._thread: threading.Thread | None = None
        self._is_live = False

    @property
    def url(self) -> str:
        """Where clients reach it, for AWS_ENDPOINT_URL."""
        return f"http://{self._public_name}:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """What the owner's programs need to reach it: the endpoint, the region and the access key."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            **self.access_key.variables(),
        }

    def start(self) -> None:
        """Listen, install the engines, answer.

        Raises
        ------
        PortInUse
            When somebody else listens on the port.
        AlreadyRunning
            When another one lives in this process.
        """
        listener = _listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        try:
            self._take_place()
            self._open(listener)
        except BaseException:
            self.stop()
            raise
        finally:
            listener.close()  # the server has its own copy of the descriptor

    def stop(self) -> None:
        """Stop answering, then end the engines and every child. Can be called again."""
        if not self._is_live:
            return
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._event_faults.close()
        if self._dispatcher is not None:
            self._dispatcher.close()
            self._dispatcher = None
        if self._durability is not None:  # before the engines end what runs: the next one says how it ended
            self._durability.close()
            self._durability = None
        self._roster.close()
        self._supervisor.close()
        _forget_state()
        if self._bodies is not None:
            self._bodies()
            self._bodies = None
            set_vault(None)
            shutil.rmtree(self._scratch, ignore_errors=True)
        self._is_live = False
        _only_one.release()

    def __enter__(self) -> LocalCloud:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def health(self) -> dict[str, Any]:
        """Return what the health route shows."""
        isolation = self._supervisor.isolation
        return {"status": "ok", "services": self._roster.names, "isolation": isolation, "version": __version__}

    def _take_place(self) -> None:
        if not _only_one.acquire(blocking=False):
            raise AlreadyRunning(
                "a localcloud lives in this process already, and moto keeps its state in module variables: share that "
                "one, stop it first, or start this one as a process of its own: python -m localcloud"
            )
        self._is_live = True

    def _open(self, listener: socket.socket) -> None:
        from localcloud.handler import Server

        _forget_state()
        self._event_faults.install()
        self._prepare_home()
        self._install_engines()
        if self._durability is not None:
            self._take_up(self._durability)
        self._server = Server(listener, self._application())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_STOP_LOOK_SECONDS,), name="localcloud", daemon=True
        )
        self._thread.start()

    def _take_up(self, durability: Durability) -> None:
        """Bring the state back, and write down what changes from now on."""
        with every_lock():
            durability.load()
            self._roster.resume()
        durability.start()

    def _prepare_home(self) -> None:
        from localcloud.durable.home import Durability
        from localcloud.durable.vault import Vault
        from localcloud.objectbody import replace_bodies

        self._home.mkdir(parents=True, exist_ok=True)
        if self._is_durable:
            self._durability = Durability(self._home)
            set_vault(self._durability.vault)
        else:
            self._scratch = self._home / "scratch-objects" / str(os.getpid())
            set_vault(Vault(self._scratch))
        self._bodies = replace_bodies()

    def _install_engines(self) -> None:
        host = Host(
            supervisor=self._supervisor,
            runtimes=Runtimes.load(mxnet_python=self._mxnet_python),
            home=self._home.resolve(),
            endpoint_url=self.url,
            region=self._region,
            spot=self._spot,
            is_doomed=self.faults.is_doomed,
        )
        self._roster.install(host, self._durability.services() if self._durability is not None else ())

    def _application(self) -> Application:
        from moto.moto_server import werkzeug_app

        from localcloud.dispatch import Dispatcher

        os.environ["MOTO_PORT"] = str(self._port)  # moto calls itself for some services
        werkzeug_app.DISABLE_GLOBAL_CORS = True  # a page in a browser has no business here
        self._dispatcher = Dispatcher()
        return Application(self._steps(self._dispatcher), self._dispatcher)

    def _snapshots(self) -> Wsgi:
        from localcloud.durable.snapshot import take_snapshot
        from localcloud.durable.snapshot_page import SnapshotPage

        if self._durability is None:
            return SnapshotPage(None)
        return SnapshotPage(partial(take_snapshot, self._durability.ledger, self._home))

    def _steps(self, moto: Wsgi) -> list[Step]:
        """What stands before moto, in the order in which a request meets it."""
        from localcloud.authentication import Authentication
        from localcloud.console import PREFIX, Console
        from localcloud.console.gateway import Gateway
        from localcloud.durable import snapshot_page
        from localcloud.durable.step import commit_before_answer, note_effects
        from localcloud.keyring import Keyring
        from localcloud.policy import grants

        loopback_only = self._host in {"127.0.0.1", "localhost", "::1"}
        shelf = ModelShelf()
        ledger = self._durability.ledger if self._durability is not None else None
        books = {"faults": self.faults.describe, "calls": self.calls.describe}
        return [
            Calendar(self.faults),
            Health(self.health),
            *([admit_loopback] if loopback_only else []),
            Pages({PREFIX: Console(Gateway(self._roster.awakening(moto), self._region), books)}),
            Authentication(Keyring(self.access_key), self.faults.now),
            admit_owner,
            Pages({SPOT_PATH: self._spot, snapshot_page.PREFIX: self._snapshots()}),
            FaultPage(self.faults),
            Naming(Operations(shelf)),
            self.calls,
            Authorization(self.calls, grants, enforce=self._enforce_iam),
            Disturbance(self.faults, time.sleep),
            self._roster.awaken,
            Checks([Validator(shelf)]),
            check_integrity,
            *([commit_before_answer(ledger)] if ledger is not None else []),
            serialize,
            *([note_effects(ledger)] if ledger is not None else []),
            Preconditions(shelf),
            PartIntegrity(shelf),
            Unimplemented(shelf),
        ]


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortInUse(
            f"Port {port} on {host} is in use: end what listens there, or choose another one with --port."
        ) from error


def _forget_state() -> None:
    """Drop what an earlier server of this process left in moto: backends keep the class they were made of."""
    from moto.core.base_backend import BackendDict
    from moto.s3.models import s3_backends

    BackendDict.reset()
    s3_backends.bucket_accounts.clear()
