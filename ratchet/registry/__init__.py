"""Model versions, stages and their legal moves, aliases, lineage, history."""

from ratchet.registry.history import Event, EventKind, HistoryReport
from ratchet.registry.record import AliasRecord
from ratchet.registry.store import Registry
from ratchet.registry.version import LEGAL_MOVES, ModelVersion, Provenance, Stage

__all__ = [
    "LEGAL_MOVES",
    "AliasRecord",
    "Event",
    "EventKind",
    "HistoryReport",
    "ModelVersion",
    "Provenance",
    "Registry",
    "Stage",
]
