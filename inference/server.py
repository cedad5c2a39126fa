"""The ECS service: `python -m inference.server` listens at once, loads the model beside it, and drains on SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import MutableMapping

import uvicorn

from inference.address import allowed_hosts
from inference.application import Application
from inference.fetch import Fetcher
from inference.journal import record_event, start_journal
from inference.limit import Limits
from inference.memory import release_large_blocks
from inference.patience import impatient_protocol
from inference.service import Service, State
from inference.threads import set_threads
from ratchet import contract

DEFAULT_PORT = 8080
DEFAULT_HOST = "0.0.0.0"  # noqa: S104  # a container listens to its load balancer


def main(environment: MutableMapping[str, str]) -> int:
    """Serve until told to stop.

    Returns
    -------
    0 after a drain, 1 when the model must not be served or the settings are wrong.
    """
    start_journal()
    release_large_blocks()
    set_threads(environment)
    try:
        limits = Limits.from_environment(environment)
        port = int(environment.get(contract.ENV_PORT) or DEFAULT_PORT)
    except ValueError as error:
        record_event("bad_settings", None, level=logging.ERROR, reason=str(error))
        return 1
    service = Service()
    application = Application(service, Fetcher(allowed_hosts(environment)), limits)
    host = environment.get(contract.ENV_HOST) or DEFAULT_HOST
    server = uvicorn.Server(_configure(application, limits, host=host, port=port))

    def stop() -> None:
        server.should_exit = True

    # uvicorn raises the signal again when it has drained: this handler makes that the end of main, not of the process.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
    service.start(environment, on_failure=stop)
    server.run()
    record_event("stopped", service.identity, state=service.state.value)
    return 1 if service.state is State.FAILED else 0


def _configure(application: Application, limits: Limits, *, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        application.build(),
        host=host,
        port=port,
        http=impatient_protocol(limits.headers_seconds),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,  # above the load balancer's 60, so that it is never the server that hangs up first
        timeout_graceful_shutdown=limits.drain_seconds,
    )


if __name__ == "__main__":
    sys.exit(main(os.environ))
