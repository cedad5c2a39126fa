"""What a person can do about a job that failed."""

from __future__ import annotations

import pytest

from ratchet.compute.advice import advise


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("AlgorithmError: OSError: [Errno 28] No space left on device", "training.volume_gib"),
        ("AlgorithmError: , exit code: 137", "batch-size"),
        ("ClientError: Data download failed: Access Denied", "TrainingRole"),
        ("Training job runtime exceeded MaxRuntimeInSeconds provided", "max_runtime_seconds"),
    ],
)
def test_says_what_to_do_behind_what_happened(message, part):
    told = advise(message)
    assert told.startswith(message)
    assert part in told


def test_quotes_the_log_where_the_message_is_silent():
    told = advise("AlgorithmError: , exit code: 1", ["OSError: No space left on device", "Reporting training FAILURE"])
    assert told == (
        "AlgorithmError: , exit code: 1: OSError: No space left on device. Its disk was full: raise "
        "training.volume_gib, or write less beside the model"
    )


def test_leaves_alone_what_it_does_not_know():
    assert advise("AlgorithmError: no gradient to descend", ["all is well"]) == "AlgorithmError: no gradient to descend"
