"""Stands in for the serving image: the same two entry points, no MXNet, and faults on demand."""
