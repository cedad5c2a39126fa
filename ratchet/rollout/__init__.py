"""Rolling a model out: a plan as data, a machine that decides, targets that carry out."""

from ratchet.rollout.controller import ApprovalGate, Release, Releases
from ratchet.rollout.live import live_status
from ratchet.rollout.machine import Phase, Progress, State
from ratchet.rollout.plan import Plan, print_plan

__all__ = ["ApprovalGate", "Phase", "Plan", "Progress", "Release", "Releases", "State", "live_status", "print_plan"]
