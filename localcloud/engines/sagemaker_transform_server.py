"""The model of a transform job as a process that answers `/ping` and `/invocations` on a port of its own."""

from __future__ import annotations

import http.client
import json
import shutil
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localcloud import storage
from localcloud.engines.sagemaker_failure import JobFailure
from localcloud.engines.sagemaker_layout import Layout
from localcloud.runtime import Runtime

HOST = "127.0.0.1"
_PING_SECONDS = 2.0  # what AWS gives a container to answer
_LOOK_SECONDS = 0.1
_MOST_MODEL_BYTES = 20 * 1024**3


class InvocationFailed(Exception):
    """The model did not answer with 200.

    Attributes
    ----------
    status
        Its status, or 500 when there was no answer.
    said
        The answer's beginning, or what went wrong.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status}: {said}")
        self.status = status
        self.said = said


@dataclass(frozen=True)
class Endpoint:
    """Where the process listens, and how long and how often it is asked."""

    port: int
    timeout_seconds: float = 600.0
    retries: int = 3

    def is_ready(self) -> bool:
        """Whether `/ping` answers 200."""
        try:
            return replace(self, timeout_seconds=_PING_SECONDS)._send("GET", "/ping")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def read_parameters(self) -> dict[str, Any]:
        """Return what `/execution-parameters` says about how the model wants its payloads; most models say nothing."""
        try:
            status, body = replace(self, timeout_seconds=_PING_SECONDS)._send("GET", "/execution-parameters")
            found = json.loads(body) if status == 200 else {}
        except (OSError, http.client.HTTPException, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def invoke(self, payload: bytes, headers: Mapping[str, str], ended: threading.Event) -> bytes:
        """Return the answer to one payload.

        Parameters
        ----------
        payload
            The body.
        headers
            Content-Type and Accept.
        ended
            Set when nobody waits for the answer any more: there is no further try.

        Raises
        ------
        InvocationFailed
            When the model refuses the payload, or fails as often as it may.
        """
        for attempt in range(self.retries + 1):
            try:
                status, body = self._send("POST", "/invocations", payload, headers)
            except (OSError, http.client.HTTPException) as error:
                status, body = 500, f"the model server did not answer: {error}".encode()
            if status == 200:
                return body
            last = attempt == self.retries
            if last or status < 500 or ended.wait(_LOOK_SECONDS * 2**attempt):
                break
        raise InvocationFailed(status, body[:1024].decode("utf-8", errors="replace"))

    def _send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=self.timeout_seconds)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def serving_argv(runtime: Runtime, path: str) -> tuple[str, ...]:
    """Return what `docker run <image> serve` would run; `JobFailure` when the image has nothing here that serves."""
    if runtime.command:
        return runtime.argv()
    own = shutil.which("serve", path=path)
    if own is None:
        raise JobFailure(
            "ClientError: Cannot pull the model's container. Either the image does not exist or its permissions are "
            f"incorrect. (runtimes.toml has no command for {runtime.image}, and there is no `serve` on its PATH)"
        )
    return (own,)


def unpack_model(uri: str, layout: Layout) -> None:
    """Unpack a model's archive where the container finds it.

    Raises
    ------
    JobFailure
        When the archive does not exist, cannot be read, or holds what may not lie in a model's folder.
    """
    layout.model.mkdir(parents=True, exist_ok=True)
    archive = layout.root / "model.tar.gz"
    try:
        archive.write_bytes(storage.get_object(*storage.split_uri(uri)))
        with tarfile.open(archive) as tar:
            _extract(tar, layout.model)
    except (storage.ObjectNotFound, ValueError, tarfile.TarError, EOFError, OSError) as error:
        raise JobFailure(f"ClientError: Failed to download model data ({uri}): {error}") from error
    finally:
        archive.unlink(missing_ok=True)


def _extract(tar: tarfile.TarFile, folder: Path) -> None:
    """Extract members of a hostile archive: nothing outside of the folder, no devices, and an end to its size."""
    left = _MOST_MODEL_BYTES
    for member in tar:
        left -= member.size
        if left < 0:
            raise ValueError(f"the archive unpacks to more than {_MOST_MODEL_BYTES} bytes")
        tar.extract(member, folder, filter="data")
