"""`ratchet doctor`: is everything in place, and if not, what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import typer

from ratchet.aws import connect, read_deployment, translate_errors
from ratchet.cli.run import dag_of
from ratchet.cli.session import EXIT_NEGATIVE, AsJson, Session, exit_codes, start_session
from ratchet.cli.status import describe_pipeline
from ratchet.errors import RatchetError
from ratchet.laptop.home import ROOT

_SKEW_LIMIT_SECONDS = 30


@dataclass(frozen=True)
class Finding:
    """What one check saw."""

    check: str
    good: bool
    found: str
    fix: str = ""


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(doctor)


def doctor(*, as_json: AsJson = False) -> None:
    """Check this machine, the account and the pipelines; each failure comes with its mend.

    Example: ratchet doctor
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        findings = [_guarded(name, check, session) for name, check in CHECKS.items()]
        rows = [("ok" if f.good else "FAIL", f.check, f.found, "" if f.good else f.fix) for f in findings]
        session.output.table("Doctor", ("", "check", "found", "what to do"), rows)
        session.output.result({"healthy": all(f.good for f in findings), "checks": findings})
        if not all(finding.good for finding in findings):
            raise typer.Exit(EXIT_NEGATIVE)


def _guarded(name: str, check: Callable[[Session], Finding], session: Session) -> Finding:
    try:
        return check(session)
    except RatchetError as error:
        return Finding(name, good=False, found=str(error), fix="follow the sentence on the left")


def _python(_: Session) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info[:2] == (3, 11), version, "install Python 3.11 and run `make setup`")


def _mxnet(_: Session) -> Finding:
    interpreter = ROOT / ".venv-mxnet" / "bin" / "python"
    found = str(interpreter.relative_to(ROOT)) if interpreter.exists() else "missing"
    return Finding("mxnet environment", interpreter.exists(), found, "run `make setup`")


def _pipelines(session: Session) -> Finding:
    names = [pipeline.name for pipeline in session.pipelines]
    folder = session.settings.pipelines_folder
    return Finding("pipelines", bool(names), ", ".join(names) or "none", f"add a file to {folder}")


def _networks(session: Session) -> Finding:
    zoo = ROOT / "training" / "zoo"
    missing = [p.name for p in session.pipelines if not Path(zoo / f"{p.training.network}.py").exists()]
    found = f"unknown network in {', '.join(missing)}" if missing else "every network has its file"
    known = ", ".join(sorted(path.stem for path in zoo.glob("*.py") if not path.stem.startswith("_")))
    return Finding("networks", not missing, found, f"choose one of: {known}")


def _identity(session: Session) -> Finding:
    with translate_errors("ask AWS who we are", "Set AWS_PROFILE or run `ratchet up`."):
        identity = connect(session.settings.region).client("sts").get_caller_identity()
    return Finding("credentials", good=True, found=str(identity["Arn"]))


def _clock(session: Session) -> Finding:
    with translate_errors("ask AWS for the time"):
        answer = connect(session.settings.region).client("sts").get_caller_identity()
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if not date:
        return Finding("clock", good=True, found="AWS gave no date")
    skew = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    fix = "set this machine's clock; AWS refuses signatures that are 5 minutes off"
    return Finding("clock", skew < _SKEW_LIMIT_SECONDS, f"{skew:.0f} s from AWS's", fix)


def _stack(session: Session) -> Finding:
    deployment = read_deployment(connect(session.settings.region), session.settings.stack)
    return Finding("stack", good=True, found=f"{session.settings.stack}: {deployment.service_url}")


def _versioning(session: Session) -> Finding:
    aws = connect(session.settings.region)
    deployment = read_deployment(aws, session.settings.stack)
    buckets = (deployment.data_bucket, deployment.models_bucket)
    with translate_errors("look at the buckets"):
        states = {name: aws.client("s3").get_bucket_versioning(Bucket=name).get("Status", "off") for name in buckets}
    good = set(states.values()) == {"Enabled"}
    fix = "aws s3api put-bucket-versioning --versioning-configuration Status=Enabled --bucket NAME"
    return Finding("bucket versioning", good, ", ".join(f"{k}: {v}" for k, v in states.items()), fix)


def _dead_letters(session: Session) -> Finding:
    aws = connect(session.settings.region)
    url = read_deployment(aws, session.settings.stack).arrivals_queue_url
    with translate_errors("look at the queue of arrivals"):
        attributes = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    found = f"{attributes.get('ApproximateNumberOfMessages', '?')} events wait"
    return Finding(
        "arrivals queue", "RedrivePolicy" in attributes, found, "update the stack: the queue has no dead-letter queue"
    )


def _airflow(session: Session) -> Finding:
    version = session.airflow().version()
    return Finding("airflow", version.startswith("3."), version, "Ratchet needs Airflow 3.3 or newer")


def _dags(session: Session) -> Finding:
    airflow = session.airflow()
    for pipeline in session.pipelines:
        airflow.runs(dag_of(pipeline.name), 1)
    return Finding("dags", good=True, found=f"{len(session.pipelines)} parsed")


def _live(session: Session) -> Finding:
    wrong = []
    for pipeline in session.pipelines:
        about = describe_pipeline(session, pipeline.name)
        wanted = about["champion"]["digest"] if about["champion"] else None
        wrong += [f"{pipeline.name} on {t}" for t, s in about["targets"].items() if (s.get("digest") or None) != wanted]
    found = f"differs: {', '.join(wrong)}" if wrong else "every target serves the champion"
    return Finding(
        "live models", not wrong, found, "`ratchet runs` shows whether a release is under way; else release again"
    )


CHECKS: dict[str, Callable[[Session], Finding]] = {
    "python": _python,
    "mxnet environment": _mxnet,
    "pipelines": _pipelines,
    "networks": _networks,
    "credentials": _identity,
    "clock": _clock,
    "stack": _stack,
    "bucket versioning": _versioning,
    "arrivals queue": _dead_letters,
    "airflow": _airflow,
    "dags": _dags,
    "live models": _live,
}
