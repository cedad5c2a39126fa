"""The verbs of a backend on machines of a fleet: the record in S3 says where a job is, rulings say what is due."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from ratchet.aws import Aws, Deployment
from ratchet.aws.bucket import Bucket
from ratchet.clock import Clock, SystemClock, isoformat
from ratchet.compute.attempt import SHOWN_LOG_LINES, start_or_find
from ratchet.compute.image import training_image
from ratchet.compute.log import JobLog
from ratchet.compute.order import JobOrder, JobStatus, Judge, LogPage, Swept
from ratchet.compute.rented.agent import agent_command, upload_agent
from ratchet.compute.rented.fleet import Fleet, Presence, Rental, Sighting
from ratchet.compute.rented.record import MARKET_ON_DEMAND, MARKET_SPOT, JobRecord, read_moment
from ratchet.compute.rented.request import write_request
from ratchet.compute.rented.ruling import Action, Patience, Ruling, rule
from ratchet.compute.rented.status import describe
from ratchet.compute.rented.store import RecordStore
from ratchet.contract import canonical_json
from ratchet.errors import CapacityError, ConflictError, NotFoundError, SpecError, ThrottledError
from ratchet.naming import JOB_TAG, lease_tags, machine_request_key, machine_type, tag_value
from ratchet.settings import Settings

IAM_ACTIONS = ("s3:GetObject", "s3:PutObject", "logs:DescribeLogStreams", "logs:GetLogEvents", "iam:PassRole")
_log = logging.getLogger(__name__)


class MachineBackend:
    """Carries orders out on rented machines.

    Parameters
    ----------
    key
        The backend's word.
    fleet
        Rents the machines.
    patience
        How long things may take.
    """

    def __init__(
        self,
        key: str,
        fleet: Fleet,
        *,
        aws: Aws,
        deployment: Deployment,
        settings: Settings,
        clock: Clock | None = None,
    ) -> None:
        self.patience = Patience()
        self._key = key
        self._fleet = fleet
        self._aws = aws
        self._settings = settings
        self._clock = clock or SystemClock()
        self._bucket = Bucket(aws, deployment.jobs_bucket)
        self._records = RecordStore(aws, deployment.jobs_bucket)
        self._log_group = deployment.job_log_group
        self._log = JobLog(aws, self._log_group)

    def start(self, order: JobOrder) -> JobStatus:
        """Start the job or find it; see `Backend.start`."""
        if order.instance_count > 1:
            raise SpecError(f"training.instance_count is {order.instance_count}, but compute: {self._key} rents one")
        return start_or_find(order, lambda name: self._begin(order, name), self._tail)

    def poll(self, name: str) -> JobStatus:
        """Look once, and do what is due: nobody else ends what hangs or replaces what was taken back."""
        record = self._records.find(name)
        if record is None or record.refused:
            raise NotFoundError(f"there is no job {name} on {self._key} in {self._settings.region}")
        seen = self._fleet.look(name, attempt=record.attempt, machine=record.machine)
        ruling = rule(record, seen, self._clock.now(), self.patience)
        if ruling.action is not Action.WAIT:
            record = self._act(record, seen, ruling)
        return describe(record, seen)

    def stop(self, name: str) -> None:
        """Ask the job to end; one that has ended or never was is no error."""
        self.end(name, "stopped on request")

    def end(self, name: str, reason: str) -> None:
        """Ask the job to end, and keep the reason."""
        if self._records.find(name) is None:
            return
        record = self._records.change(
            name, lambda found: None if found.ended else found.changed(stop_asked=True, stop_reason=reason)
        )
        seen = self._fleet.look(name, attempt=record.attempt, machine=record.machine)
        if seen.presence is Presence.ALIVE:
            self._fleet.give_back(seen.machine, reason)

    def sweep(self, judge: Judge, *, dry_run: bool = False) -> Sequence[Swept]:
        """End the machines that nobody owns, and write that into their jobs' records; see `Backend.sweep`."""
        swept = []
        for machine, tags in self._fleet.living():
            reason = judge(tags)
            if reason:
                job = tags.get(JOB_TAG, "")
                swept.append(Swept(self._key, job, machine, reason))
                if not dry_run:
                    self.end(job, reason)
                    self._fleet.give_back(machine, reason)
        return swept

    def read_log(self, name: str, cursor: str = "") -> LogPage:
        """Return the lines that are new since `cursor`."""
        return self._log.read(name, cursor)

    def describe_link(self, name: str) -> str:
        """URL of the console's page of the job's machine."""
        return self._fleet.link(name)

    def _begin(self, order: JobOrder, name: str) -> JobStatus:
        record = self._records.find(name) or self._create(order, name)
        if record.refused:
            now = isoformat(self._clock.now())
            record = self._records.change(
                name, lambda found: found.changed(refused=False, launched_at=now) if found.refused else None
            )
        if not record.machine and not record.ended and not record.stop_asked:
            # Nobody has come this far, or somebody died after it: the same rental is the same machine.
            self._rent_first(record)
        return self.poll(name)

    def _rent_first(self, record: JobRecord) -> None:
        try:
            self._rent(record)
        except (CapacityError, ThrottledError) as error:
            self._records.change(record.job, lambda found: None if found.machine else found.changed(refused=True))
            raise CapacityError(str(error)) from error

    def _create(self, order: JobOrder, name: str) -> JobRecord:
        request = write_request(order, name, bucket=self._bucket.name, log_group=self._log_group, backend=self._key)
        # The name is a digest of the work: another run may have ordered the same, with its own tags.
        with contextlib.suppress(ConflictError):
            self._bucket.put_once(machine_request_key(name), canonical_json(request), content_type="application/json")
        now = isoformat(self._clock.now())
        return self._records.create(
            JobRecord(
                job=name,
                created_at=now,
                launched_at=now,
                market=MARKET_SPOT if order.spot else MARKET_ON_DEMAND,
                instance_type=machine_type(self._key, order.instance_type),
                image_uri=order.image_uri or training_image(self._settings.region, order.instance_type),
            )
        )

    def _rent(self, record: JobRecord) -> JobRecord:
        """Order the machine of the record's attempt and write down which it is."""
        try:
            machine = self._fleet.rent(self._rental(record))
        except CapacityError:
            if record.market != MARKET_SPOT:
                raise
            _log.warning("job %s: there is no Spot capacity, so it is bought on demand", record.job)
            record = self._records.change(
                record.job, lambda found: found.changed(market=MARKET_ON_DEMAND) if found == record else None
            )
            machine = self._fleet.rent(self._rental(record))
        kept = self._records.change(
            record.job,
            lambda found: None if found.attempt != record.attempt else found.changed(machine=machine),
        )
        if kept.attempt != record.attempt or kept.ended or kept.stop_asked:
            self._fleet.give_back(machine, "the job does not need it any more")
        return kept

    def _rental(self, record: JobRecord) -> Rental:
        request_key = machine_request_key(record.job)
        order = JobOrder.from_json(json.loads(self._bucket.read(request_key))["order"])
        lifetime = round(order.max_runtime_seconds + self.patience.slack_seconds)
        agent = upload_agent(self._aws, self._bucket.name)
        command = agent_command(
            self._bucket.name, agent, request_key, attempt=record.attempt, lifetime_seconds=lifetime
        )
        until = self._lease(record, lifetime)
        own = {**lease_tags(self._settings.stack, isoformat(until)), JOB_TAG: record.job}
        return Rental(
            job=record.job,
            attempt=record.attempt,
            order=order,
            image_uri=record.image_uri,
            command=command,
            lifetime_seconds=lifetime,
            tags={**{key: tag_value(value) for key, value in order.tags.items()}, **own},
            market=record.market,
            token=f"{record.job} {record.attempt} {record.launched_at}",
        )

    def _lease(self, record: JobRecord, lifetime_seconds: int) -> datetime:
        # From when the attempt was written down, not from now: a repeated order has to be the same to the letter.
        launched = read_moment(record.launched_at) or self._clock.now()
        return launched + timedelta(seconds=lifetime_seconds + self.patience.slack_seconds)

    def _act(self, record: JobRecord, seen: Sighting, ruling: Ruling) -> JobRecord:
        if ruling.action is Action.SETTLE:
            record = self._records.change(record.job, lambda found: self._settled(record, found, ruling))
        if ruling.action in (Action.RESTART, Action.RENT):
            return self._go_on(record, ruling.action)
        if seen.presence is Presence.ALIVE:
            self._fleet.give_back(seen.machine, ruling.message or "its job has ended")
        return record

    def _settled(self, judged: JobRecord, found: JobRecord, ruling: Ruling) -> JobRecord | None:
        """The record with the job's end; None when its agent, or another orchestrator, has written meanwhile."""
        if found != judged:
            return None
        _log.info("job %s: %s", found.job, ruling.message)
        return found.changed(
            state=ruling.state.value,
            phase=ruling.state.value.capitalize(),
            message=ruling.message,
            ended_at=isoformat(self._clock.now()),
        )

    def _go_on(self, record: JobRecord, action: Action) -> JobRecord:
        """Rent the machine that goes on from the last checkpoint; while there is none, the next look tries again."""
        if action is Action.RESTART:
            now = self._clock.now()
            kept = self._records.change(record.job, lambda found: found.next_attempt(now) if found == record else None)
            if kept.attempt != record.attempt + 1:
                return kept
            _log.warning("job %s: its Spot capacity was taken back, attempt %d follows", record.job, kept.attempt)
            record = kept
        try:
            return self._rent(record)
        except CapacityError as error:
            _log.warning("job %s waits: %s", record.job, error)
            return record

    def _tail(self, name: str) -> tuple[str, ...]:
        return self._log.tail(name, SHOWN_LOG_LINES)
