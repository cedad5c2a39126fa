"""Ratchet retrains a model when its data changes and redeploys it only when it is better."""

__version__ = "0.1.0"
