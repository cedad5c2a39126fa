"""Rolling a model out: a plan as data, a machine that decides, targets that carry out."""

from ratchet.rollout.controller import Release
from ratchet.rollout.live import live_status
from ratchet.rollout.machine import Phase, Progress, State
from ratchet.rollout.plan import Plan, print_plan
from ratchet.rollout.releases import ApprovalGate, Releases

__all__ = ["ApprovalGate", "Phase", "Plan", "Progress", "Release", "Releases", "State", "live_status", "print_plan"]
