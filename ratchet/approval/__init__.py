"""The dossier a person reads; the decision that binds to a digest."""

from ratchet.approval.decision import Approvals, Decision
from ratchet.approval.dossier import Dossier, build_dossier

__all__ = ["Approvals", "Decision", "Dossier", "build_dossier"]
