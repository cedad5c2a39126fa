"""What a job may cost, said before it starts."""

from __future__ import annotations

from ratchet.compute.cost import Price, cost_of, find_price, tell_usd
from ratchet.compute.course import tell_duration
from ratchet.loop.order import Step
from ratchet.loop.place import Placed
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
    spare = "; spare machines cost less" if step is Step.TRAIN and training.spot else ""
    return f"{most}{before}{spare} ({tell_usd(price.usd_per_hour)} an hour, list price of {price.as_of})"


def tell_reuse(workshop: Workshop, placed: Placed) -> str:
    """One sentence about a job that an earlier run bought: which, whose, and what it would have cost again."""
    status = placed.status
    whose = f"job {status.name} of run {placed.placement.run_id} has the same data, code, image and parameters"
    if not status.state.ended:
        return f"{whose}; it still runs, and is waited for"
    cost = cost_of(status, workshop.settings.region, workshop.clock.now())
    saved = f"; another would have cost {tell_usd(cost.usd)}" if cost else ""
    return f"{whose}, so its result is taken at no cost{saved}. `ratchet run --no-reuse` buys another"


def _as_before(workshop: Workshop, price: Price, count: int) -> str:
    champion = workshop.registry.champion(workshop.pipeline.model_name)
    seconds = champion.provenance.billable_seconds if champion else None
    if not seconds:
        return ""
    return f"; as long as the champion's, {tell_duration(seconds)}: {tell_usd(price.cost_usd(seconds, count))}"
