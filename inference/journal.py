"""Log lines as JSON, one object a line, so that CloudWatch Logs can be asked questions."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, Dict, Optional, TextIO

from inference.store import Identity

LOGGER = logging.getLogger("ratchet.serving")


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, event, and what the caller gave as `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: Dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + ".%03dZ" % record.msecs,
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)


def start_journal(stream: Optional[TextIO] = None) -> None:
    """Send every logger's lines to `stream` (standard output) as JSON."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in (LOGGER.name, "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO)


def record_event(event: str, identity: Optional[Identity], *, level: int = logging.INFO, **fields: Any) -> None:
    """Write one line that names the model; image bytes and query strings have no place in `fields`."""
    if identity is not None:
        model = {"model_name": identity.name, "model_version": identity.version, "model_digest": identity.digest}
        fields = {**fields, **model}
    LOGGER.log(level, event, extra={"fields": fields})
