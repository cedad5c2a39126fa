"""Clients, built in one place with one configuration; whether they talk to AWS or to a laptop is boto3's business."""

from __future__ import annotations

import contextlib
from datetime import datetime
from functools import cache
from typing import Any

# A function may run for fifteen minutes, and botocore must not run it twice: see `Aws.client`.
_INVOKE_READ_TIMEOUT_SECONDS = 910


class Aws:
    """Makes and keeps one client per service. Pass a fake with the same two methods in tests."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._clients: dict[tuple[str, bool], Any] = {}

    def client(self, service: str, *, once: bool = False) -> Any:
        """Return the client of a service, for example `s3` or `sagemaker`. Clients are safe to share among threads.

        Parameters
        ----------
        service
            Name in boto3.
        once
            Never send a call again: for those that would be done twice, because nothing makes them unique. Whoever
            makes one looks for what the first did before the next.
        """
        if (service, once) not in self._clients:
            self._clients[service, once] = self._make(service, once=once)
        return self._clients[service, once]

    def _make(self, service: str, *, once: bool) -> Any:
        import boto3
        import botocore.session
        from botocore.config import Config

        config = Config(retries={"mode": "standard", "max_attempts": 6}, connect_timeout=10, tcp_keepalive=True)
        if once or service == "lambda":
            # A retried Invoke runs the function again; the callers decide about that themselves. botocore counts the
            # first attempt in `total_max_attempts` alone: `max_attempts` of 1 is one retry.
            config = config.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
        if service == "lambda":
            config = config.merge(Config(read_timeout=_INVOKE_READ_TIMEOUT_SECONDS))
        if service == "s3":
            # A laptop's endpoint has no wildcard names; AWS accepts both forms for names without dots.
            config = config.merge(Config(s3={"addressing_style": "path"}, max_pool_connections=32))
        core = botocore.session.get_session()
        # Three quarters of what reading a page of a listing costs are the times in it, by botocore's own way.
        core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_read_moment)
        session: Any = boto3.session.Session(botocore_session=core)
        return session.client(service, region_name=self.region, config=config)


def _read_moment(value: Any) -> datetime:
    from botocore.utils import parse_timestamp

    if isinstance(value, str) and value.endswith("Z"):
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(value)
    moment: datetime = parse_timestamp(value)
    return moment


@cache
def connect(region: str) -> Aws:
    """Return this process's door to a region."""
    return Aws(region)
