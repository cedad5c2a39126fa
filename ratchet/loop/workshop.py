"""The composition root: builds each part of the domain once, from the settings and one door to AWS."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from ratchet.approval import Approvals
from ratchet.aws import Aws, Deployment
from ratchet.aws.client import connect
from ratchet.aws.stack import cached_deployment
from ratchet.clock import Clock, SystemClock
from ratchet.compute.backends import make_backend
from ratchet.compute.order import Backend
from ratchet.compute.quota import Quotas
from ratchet.compute.tuner import SageMakerTuner
from ratchet.data import Catalogue, Claims, Custody, DatasetStore, Sightings
from ratchet.naming import curve_key, study_key
from ratchet.registry import Registry
from ratchet.rollout import Releases
from ratchet.settings import Settings, load_settings
from ratchet.spec import Pipeline, find_pipeline


class Workshop:
    """Everything that one pipeline's steps work with."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        settings: Settings,
        aws: Aws,
        deployment: Deployment,
        clock: Clock | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.aws = aws
        self.deployment = deployment
        self.clock = clock or SystemClock()
        self._backends: dict[str, Backend] = {}

    @cached_property
    def datasets(self) -> DatasetStore:
        """Dataset versions."""
        return DatasetStore(self.aws, self.deployment, self.clock)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Which dataset versions there are."""
        return Catalogue(self.aws, self.deployment, self.clock)

    @cached_property
    def custody(self) -> Custody:
        """What keeps dataset versions as they were."""
        return Custody(self.aws, self.deployment, self.clock, store=self.datasets)

    @cached_property
    def claims(self) -> Claims:
        """Who trains what."""
        return Claims(self.aws, self.deployment, self.clock)

    @cached_property
    def sightings(self) -> Sightings:
        """What this pipeline's runs have seen of its dataset."""
        return Sightings(self.aws, self.deployment, self.clock)

    @cached_property
    def registry(self) -> Registry:
        """Model versions."""
        return Registry(self.aws, self.deployment, self.clock)

    @cached_property
    def approvals(self) -> Approvals:
        """Decisions of people."""
        return Approvals(self.aws, self.deployment, self.clock, self.registry)

    @cached_property
    def releases(self) -> Releases:
        """Rollouts."""
        return Releases(self.aws, self.deployment, self.registry, self.approvals, clock=self.clock)

    @property
    def backend(self) -> Backend:
        """Where jobs run, by the one word in the pipeline's file."""
        return self.backend_of(self.pipeline.training.compute)

    def backend_of(self, compute: str) -> Backend:
        """Where a job runs that its policy has placed on this backend."""
        if compute not in self._backends:
            self._backends[compute] = make_backend(compute, self.aws, self.deployment, self.settings)
        return self._backends[compute]

    @cached_property
    def quotas(self) -> Quotas:
        """What the account may use."""
        return Quotas(self.aws, self.settings.region)

    @cached_property
    def tuner(self) -> SageMakerTuner:
        """Where studies run whose trials are jobs."""
        return SageMakerTuner(self.aws, self.deployment, self.settings)

    def page_of(self, uri: str) -> str:
        """Link to a page where a person can look at an S3 object."""
        return self.settings.object_page(uri)

    def curve_page(self, job: str) -> str:
        """Link to the page with a training job's learning curve."""
        return self.page_of(f"s3://{self.deployment.jobs_bucket}/{curve_key(job)}")

    def study_page(self, study: str) -> str:
        """Link to the page of a study."""
        return self.page_of(f"s3://{self.deployment.jobs_bucket}/{study_key(self.pipeline.name, study, 'html')}")

    def serving_pages(self) -> dict[str, str]:
        """Link to the console's pages of what serves, by what it is."""
        place = self.deployment
        return {
            "service": self.settings.service_page(place.cluster_name, place.service_name),
            "function": self.settings.function_page(place.function_name),
        }

    @property
    def source_folder(self) -> Path:
        """Folder of the code that goes into containers; relative paths start at the pipelines' parent folder."""
        return self.settings.pipelines_folder.parent / self.pipeline.training.source_folder


def open_workshop(pipeline: str, settings: Settings | None = None) -> Workshop:
    """Build the workshop of a pipeline, by name, from this process's environment."""
    chosen = settings or load_settings()
    return Workshop(
        find_pipeline(chosen.pipelines_folder, pipeline),
        settings=chosen,
        aws=connect(chosen.region),
        deployment=cached_deployment(chosen.region, chosen.stack),
    )
