"""The look that misses nothing: what S3 lists against what the pipeline's runs have seen."""

from __future__ import annotations

from ratchet.data import Overdue, judge_sighting
from ratchet.loop.workshop import Workshop


def sweep(workshop: Workshop) -> Overdue:
    """Say whether the pipeline's dataset holds what no run of it has frozen; one listing, nothing is written."""
    dataset = workshop.pipeline.data.dataset
    # What is known is read first: a run that freezes in between makes the sweep see news that are none, never miss any.
    known = workshop.sightings.find(workshop.pipeline.name, dataset)
    return judge_sighting(workshop.datasets.observe(dataset), known)
