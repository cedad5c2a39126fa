"""Health checks of one target: ask, tell its pool, wait, until it is no longer in."""

from __future__ import annotations

import asyncio

import aiohttp
from yarl import URL

from localcloud.loadbalancer_target import HealthCheck, Target, TargetHealth, TargetPool, TargetState

_HEADERS = {"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"}


async def watch_target(pool: TargetPool, target: Target, session: aiohttp.ClientSession) -> None:
    """Look at a target until it drains or its task is cancelled."""
    while pool.check.enabled and target.health.state is not TargetState.DRAINING:
        pool.note(target, await look(pool.check, target, session))
        await asyncio.sleep(target.record.pause_seconds)


async def look(check: HealthCheck, target: Target, session: aiohttp.ClientSession) -> TargetHealth | None:
    """Ask a target once; return None for a good answer, else what was wrong with it, in ELBv2's words."""
    url = URL(f"http://{target.host}:{check.port or target.port}{check.path}", encoded=True)
    timeout = aiohttp.ClientTimeout(total=check.timeout_seconds)
    try:
        async with session.get(url, headers=_HEADERS, timeout=timeout, allow_redirects=False) as answer:
            await answer.read()
            if check.accepts(answer.status):
                return None
            return _unhealthy(
                "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{answer.status}]"
            )
    except TimeoutError:
        return _unhealthy("Target.Timeout", "Request timed out")
    except (aiohttp.ClientError, OSError):
        return _unhealthy("Target.FailedHealthChecks", "Health checks failed")


def _unhealthy(reason: str, description: str) -> TargetHealth:
    return TargetHealth(TargetState.UNHEALTHY, reason, description)
