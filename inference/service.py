"""The life of the model in a server: none, loading, ready or failed, and what a request is told in each."""

from __future__ import annotations

import logging
import threading
import time
from enum import Enum
from typing import Callable, Mapping, Optional

from inference import store
from inference.failure import ModelError, ServingError
from inference.journal import record_event
from inference.predictor import Predictor

_LOADING_RETRY_SECONDS = 2
_NO_MODEL_RETRY_SECONDS = 60


class State(Enum):
    """Where the model is."""

    NONE = "none"  # nothing has been released yet
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


def load_predictor(release: store.Release) -> Predictor:
    """Bring, check and bind the released model."""
    with store.opened(release) as artefact:
        return Predictor.load(artefact)


class Service:
    """Holds the predictor of one process. Loaded by one thread, asked by many."""

    def __init__(self, load: Callable[[store.Release], Predictor] = load_predictor) -> None:
        self.state = State.NONE
        self.failure = ""
        self.identity: Optional[store.Identity] = None
        self._load = load
        self._predictor: Optional[Predictor] = None

    def start(self, environment: Mapping[str, str], on_failure: Callable[[], None]) -> Optional[threading.Thread]:
        """Load in the background what the environment names; `on_failure` is told when that cannot be served."""
        try:
            release = store.read_release(environment)
        except ModelError as error:
            self._fail(error, on_failure)
            return None
        if release is None:
            record_event("no_model", None)
            return None
        self.identity, self.state = release.identity, State.LOADING
        thread = threading.Thread(target=self.load, args=(release, on_failure), name="load-model", daemon=True)
        thread.start()
        return thread

    def load(self, release: store.Release, on_failure: Callable[[], None]) -> None:
        """Load `release` now, and say so in the log."""
        self.identity, self.state = release.identity, State.LOADING
        started = time.monotonic()
        try:
            self._predictor = self._load(release)
        except Exception as error:  # noqa: BLE001  # the edge of a thread: whatever it is, the process must end for it
            self._fail(error, on_failure)
            return
        self.state = State.READY
        seconds = round(time.monotonic() - started, 3)
        record_event("model_loaded", self.identity, seconds=seconds, engine=self._predictor.engine_name)

    def ready(self) -> Predictor:
        """The predictor.

        Raises
        ------
        ServingError
            503 while there is none, with the reason.
        """
        if self._predictor is not None:
            return self._predictor
        if self.state is State.LOADING:
            raise ServingError(503, "loading", "The model is loading.", retry_after_seconds=_LOADING_RETRY_SECONDS)
        if self.state is State.FAILED:
            raise ServingError(503, "model_refused", self.failure)
        raise ServingError(
            503, "no_model", "No model has been released yet.", retry_after_seconds=_NO_MODEL_RETRY_SECONDS
        )

    def _fail(self, error: Exception, on_failure: Callable[[], None]) -> None:
        self.state, self.failure = State.FAILED, str(error) or type(error).__name__
        record_event("model_refused", self.identity, level=logging.ERROR, reason=self.failure)
        on_failure()
