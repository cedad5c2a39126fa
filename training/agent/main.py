"""Opens what an attempt needs, carries it out, and writes its end into the job's record, whatever that end is."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any, Mapping, Sequence

from training.agent.job import Attempt
from training.agent.log import LogStream
from training.agent.notice import Metadata
from training.agent.program import EndedBy
from training.agent.record import Fenced, Record, moment
from training.agent.repeat import insist
from training.agent.store import Store

_REASON_LIMIT = 1024
_FENCED = 3


def main(arguments: Sequence[str]) -> int:
    """Carry out one attempt.

    Parameters
    ----------
    arguments
        Bucket, key of the request, number of the attempt.
    """
    bucket, key, attempt = arguments
    store = Store.connect()
    request = json.loads(store.read(bucket, key)[0].decode("utf-8"))
    record = Record(store, bucket, str(request["record_key"]), attempt=int(attempt))
    try:
        record.update(phase="Starting", **_whereabouts(request))
    except Fenced as fenced:
        sys.stderr.write("fenced: %s\n" % fenced)
        return _FENCED
    log = LogStream(_client("logs"), str(request["log_group"]), "%s/attempt-%s" % (request["job"], attempt))
    try:
        ending = _carry_out(Attempt(request, store=store, record=record, log=log))
        log.close()
        insist(lambda: record.update(**ending))
    except Fenced as fenced:
        sys.stderr.write("fenced: %s\n" % fenced)
        return _FENCED
    return 0


def _carry_out(attempt: Attempt) -> Mapping[str, Any]:
    signal.signal(signal.SIGTERM, lambda *_: attempt.end(EndedBy.STOP))
    try:
        return attempt.carry_out()
    except Fenced:
        raise
    except Exception as error:  # noqa: BLE001 - the edge of the process: the reason must reach the record
        reason = "%s: %s" % (type(error).__name__, error)
        return {"state": "failed", "phase": "Failed", "message": reason[:_REASON_LIMIT], "ended_at": moment()}


def _whereabouts(request: Mapping[str, Any]) -> Mapping[str, str]:
    """Which machine this is, when it can tell: the orchestrator may have died before it wrote that down."""
    if request["backend"] != "ec2":
        return {}
    found = Metadata().find("instance-id")
    return {"machine": found} if found else {}


def _client(service: str) -> Any:
    import boto3

    return boto3.client(service, region_name=os.environ.get("AWS_REGION"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
