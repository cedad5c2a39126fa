"""`ratchet reap`: end what costs money and nobody owns any more."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ratchet.aws import connect
from ratchet.aws.stack import cached_deployment
from ratchet.cli.session import AsJson, exit_codes, start_session
from ratchet.clock import SystemClock

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be ended.")]


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(reap)


def reap(dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """End jobs, instances and tasks that no run holds; the DAG `reap_jobs` does so regularly.

    Example: ratchet reap --dry-run
    """
    from ratchet.loop.reap import reap as end_abandoned

    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        settings = session.settings
        aws, deployment = connect(settings.region), cached_deployment(settings.region, settings.stack)
        ended = end_abandoned(aws, deployment, settings, clock=SystemClock(), dry_run=dry_run)
        rows = [(each.backend, each.job, each.reason) for each in ended]
        title = "Nobody owns these" if dry_run else "Ended, since nobody owns them"
        if rows:
            session.output.table(title, ("backend", "job", "why"), rows)
        else:
            session.output.say("nothing is abandoned")
        session.output.result({"ended": [asdict(each) for each in ended], "dry_run": dry_run})
