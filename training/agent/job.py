"""One attempt at a job, from its channels to its archives."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from training.agent.archive import pack
from training.agent.channel import fetch_channel
from training.agent.checkpoint import Checkpoints
from training.agent.layout import Layout
from training.agent.log import LogStream
from training.agent.metric import Metrics
from training.agent.notice import Metadata
from training.agent.program import EndedBy, Program
from training.agent.record import Fenced, Record, moment
from training.agent.repeat import Repeater, insist
from training.agent.store import Store

_REASON_LIMIT = 1024  # characters, as SageMaker's FailureReason
_NOTICE_LOOK_SECONDS = 3.0
_ENDINGS = {
    EndedBy.ITSELF: ("succeeded", "Completed"),
    EndedBy.STOP: ("stopped", "Stopped"),
    EndedBy.TIMEOUT: ("stopped", "MaxRuntimeExceeded"),
}


class Attempt:
    """Carries a job out on this machine.

    Parameters
    ----------
    request
        What the job is to do, as `ratchet.compute.rented.request` writes it.
    """

    def __init__(self, request: Mapping[str, Any], *, store: Store, record: Record, log: LogStream) -> None:
        self._request = request
        self._store = store
        self._record = record
        self._log = log
        self._layout = Layout()
        self._metrics = Metrics(request["metrics"])
        self._program: Optional[Program] = None
        self._reason: Optional[EndedBy] = None
        self._checkpoints: Optional[Checkpoints] = None

    def end(self, reason: EndedBy) -> None:
        """End the attempt before its time."""
        self._reason = self._reason or reason
        if self._program is not None:
            self._program.end(reason)

    def carry_out(self) -> Dict[str, Any]:
        """Do everything; return how it ended, in the words of the job's record."""
        self._record.update(phase="Downloading", started_at=self._record.current.get("started_at") or moment())
        self._lay_out()
        self._record.update(phase="Training")
        reason = self._train()
        if reason is EndedBy.FENCE:
            raise Fenced("another machine has the job")
        if self._checkpoints is not None:
            insist(self._checkpoints.push_everything)
        self._record.update(phase="Uploading")
        if reason is EndedBy.NOTICE or (reason is EndedBy.STOP and not self._record.current.get("stop_asked")):
            # The machine is being taken away, and nobody wanted the job to end: whoever looks next decides.
            return {"phase": "Interrupted", "interrupted": True}
        return {**self._upload(reason), "metrics": self._metrics.values, "ended_at": moment()}

    def _lay_out(self) -> None:
        self._layout.prepare(self._request)
        for channel in self._request["channels"]:
            fetch_channel(self._store, channel, self._layout.channel(channel["name"]))
        if self._request.get("checkpoints_uri"):
            self._checkpoints = Checkpoints(self._store, self._layout.checkpoints, self._request["checkpoints_uri"])
            self._checkpoints.download()

    def _train(self) -> EndedBy:
        beside = [Repeater(self._request["heartbeat_seconds"], self._tell)]
        if self._checkpoints is not None:
            beside.append(Repeater(self._request["checkpoint_seconds"], self._checkpoints.push))
        if self._record.current.get("market") == "spot":
            beside.append(Repeater(_NOTICE_LOOK_SECONDS, self._heed_notice))
        try:
            self._program = Program(self._environment(), self._layout.base, self._hear)
            if self._reason is not None:  # it was to end before it had begun
                self._program.end(self._reason)
            left = float(self._request["max_runtime_seconds"]) - float(self._record.current.get("used_seconds") or 0)
            return self._program.wait(max(0.0, left), float(self._request["grace_seconds"]))
        finally:
            for repeater in beside:
                repeater.close()

    def _environment(self) -> Dict[str, str]:
        return {**os.environ, "TRAINING_JOB_NAME": str(self._request["job"])}

    def _hear(self, line: str) -> None:
        self._metrics.read(line)
        self._log.write(line)

    def _tell(self) -> None:
        try:
            self._record.update(metrics=self._metrics.values)
        except Fenced as fenced:
            sys.stderr.write("fenced: %s\n" % fenced)
            self.end(EndedBy.FENCE)
        else:
            if self._record.current.get("stop_asked"):
                self.end(EndedBy.STOP)

    def _heed_notice(self) -> None:
        if self._reason is None and Metadata().is_taken_back():
            self._log.write("the Spot capacity is taken back: saving the last checkpoint")
            self.end(EndedBy.NOTICE)

    def _upload(self, reason: EndedBy) -> Dict[str, Any]:
        code = self._program.code if self._program is not None else 0
        failed = reason is EndedBy.ITSELF and code != 0
        layout, prefix = self._layout, self._request["output_uri"]
        archive = layout.base / ".archive.tar.gz"
        if pack(layout.output_data, archive, layout.failure if failed else None):
            self._put(archive, prefix + "/output.tar.gz")
        if failed:
            return {"state": "failed", "phase": "Failed", "message": self._explain(code)}
        state, phase = _ENDINGS[reason]
        if not pack(layout.model, archive):
            return {"state": state, "phase": phase}
        self._put(archive, prefix + "/model.tar.gz")
        return {"state": state, "phase": phase, "archive_uri": prefix + "/model.tar.gz"}

    def _put(self, archive: Path, uri: str) -> None:
        insist(lambda: self._store.upload(archive, uri))

    def _explain(self, code: int) -> str:
        failure = self._layout.failure
        said = failure.read_text("utf-8", errors="replace").strip() if failure.is_file() else ""
        ending = ", exit code: %d" % code
        return ("AlgorithmError: " + said)[: _REASON_LIMIT - len(ending)] + ending
