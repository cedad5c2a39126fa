"""What a job may cost, said before it starts."""

from __future__ import annotations

from ratchet.compute.cost import Price, find_price, tell_usd
from ratchet.compute.course import tell_duration
from ratchet.loop.order import Step
from ratchet.loop.workshop import Workshop


def estimate_cost(workshop: Workshop, step: Step) -> str:
    """One sentence: at most, by the time limit, and as much as the champion's training would cost at this price."""
    training = workshop.pipeline.training
    machine = training.instance_type if step is Step.TRAIN else training.preparation_instance_type
    price = find_price(workshop.settings.region, machine)
    if price is None:
        return f"unknown: there is no price of {machine} in {workshop.settings.region} (ratchet/compute/prices.json)"
    limit, count = training.max_runtime_seconds, training.instance_count if step is Step.TRAIN else 1
    most = f"at most {tell_usd(price.cost_usd(limit, count))} for {tell_duration(limit)} on {count} {machine}"
    before = _as_before(workshop, price, count) if step is Step.TRAIN else ""
    return f"{most}{before} ({tell_usd(price.usd_per_hour)} an hour, list price of {price.as_of})"


def _as_before(workshop: Workshop, price: Price, count: int) -> str:
    champion = workshop.registry.champion(workshop.pipeline.model_name)
    seconds = champion.provenance.billable_seconds if champion else None
    if not seconds:
        return ""
    return f"; as long as the champion's, {tell_duration(seconds)}: {tell_usd(price.cost_usd(seconds, count))}"
