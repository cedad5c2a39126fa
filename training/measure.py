"""A model's figures on the test split, from its probabilities: accuracy, log loss, per-class slices, confusion."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

import numpy as np

_SMALLEST_PROBABILITY = 1e-12
_TOP = 5


def measure(probabilities: np.ndarray, truth: np.ndarray, labels: Sequence[str]) -> Dict[str, Any]:
    """Measure one model.

    Parameters
    ----------
    probabilities
        Shape (examples, classes), rows sum to 1.
    truth
        Shape (examples,), class numbers.
    labels
        Names of the classes.

    Returns
    -------
    `accuracy`, `top5_accuracy`, `log_loss` (nats), `per_class`, `confusion` (rows: truth), `correct` (0 or 1 for each
    example, in the order of the test split).
    """
    predicted = probabilities.argmax(axis=1)
    correct = (predicted == truth).astype(int)
    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (truth, predicted), 1)
    ranked = np.argsort(-probabilities, axis=1)[:, :_TOP]
    own = np.maximum(probabilities[np.arange(len(truth)), truth], _SMALLEST_PROBABILITY)
    return {
        "accuracy": float(correct.mean()),
        "top5_accuracy": float((ranked == truth[:, None]).any(axis=1).mean()),
        "log_loss": float(-np.log(own).mean()),
        "per_class": {label: _slice(confusion, number) for number, label in enumerate(labels)},
        "confusion": confusion.tolist(),
        "correct": correct.tolist(),
    }


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits, row by row."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def choose_examples(truth: np.ndarray, correct: List[int], count: int) -> List[int]:
    """Numbers of test examples for smoke predictions: one a class where there is one, those it gets right first."""
    order = sorted(range(len(truth)), key=lambda number: (1 - correct[number], number))
    chosen: List[int] = []
    seen = set()
    for number in order:
        if int(truth[number]) not in seen and len(chosen) < count:
            seen.add(int(truth[number]))
            chosen.append(number)
    rest = [number for number in order if number not in chosen]
    return (chosen + rest)[:count]


def _slice(confusion: np.ndarray, number: int) -> Dict[str, float]:
    hits = float(confusion[number, number])
    support = float(confusion[number].sum())
    named = float(confusion[:, number].sum())
    precision = hits / named if named else 0.0
    recall = hits / support if support else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "support": int(support)}
