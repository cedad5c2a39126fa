"""A model's figures on the test split, batch by batch: accuracy, log loss, per-class slices, confusion."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

import numpy as np

_SMALLEST_PROBABILITY = 1e-12
_TOP = 5


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits, row by row."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def arrange(probabilities: np.ndarray, own: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """Put a model's columns into the order of the test split's labels.

    Parameters
    ----------
    probabilities
        Shape (examples, len(own)).
    own
        The model's labels.
    labels
        The test split's. A champion from before a class was added never says that class.

    Returns
    -------
    Shape (examples, len(labels)), and one column more for "something else" when the model has labels that the test
    split has not.
    """
    arranged = np.zeros((len(probabilities), len(labels)))
    for column, label in enumerate(labels):
        if label in own:
            arranged[:, column] = probabilities[:, list(own).index(label)]
    strange = [column for column, label in enumerate(own) if label not in labels]
    if not strange:
        return arranged
    return np.column_stack([arranged, probabilities[:, strange].max(axis=1)])


class Measurement:
    """What a model said about every example, without the images.

    Parameters
    ----------
    labels
        The test split's labels.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.truth: List[int] = []
        self.said: List[int] = []
        self.confidence: List[float] = []
        self._own: List[float] = []
        self._top: List[bool] = []

    def add(self, probabilities: np.ndarray, truth: np.ndarray) -> None:
        """Take in a batch: probabilities as `arrange` gives them, class numbers of shape (examples,)."""
        own = probabilities[np.arange(len(truth)), truth]
        self.truth += truth.tolist()
        self.said += probabilities.argmax(axis=1).tolist()
        self.confidence += probabilities.max(axis=1).tolist()
        self._own += own.tolist()
        self._top += ((probabilities > own[:, None]).sum(axis=1) < _TOP).tolist()

    @property
    def correct(self) -> List[int]:
        """1 for each example that was recognised, else 0, in the order of the test split."""
        return [int(said == truth) for said, truth in zip(self.said, self.truth)]

    def name(self, number: int) -> str:
        """The label that the model gave example `number`."""
        said = self.said[number]
        return self.labels[said] if said < len(self.labels) else "(other)"

    def describe(self) -> Dict[str, Any]:
        """Put it into figures.

        Returns
        -------
        `accuracy`, `top5_accuracy`, `log_loss` (nats), `per_class`, `confusion` (rows: truth; one column more than
        rows when the model said what is no label of the split), `correct`.
        """
        size = len(self.labels)
        confusion = np.zeros((size, max([size, *(said + 1 for said in self.said)])), dtype=int)
        np.add.at(confusion, (self.truth, self.said), 1)
        own = np.maximum(self._own, _SMALLEST_PROBABILITY)
        return {
            "accuracy": float(np.mean(self.correct)),
            "top5_accuracy": float(np.mean(self._top)),
            "log_loss": float(-np.log(own).mean()),
            "per_class": {label: _slice(confusion, number) for number, label in enumerate(self.labels)},
            "confusion": confusion.tolist(),
            "correct": self.correct,
        }


def _slice(confusion: np.ndarray, number: int) -> Dict[str, Optional[float]]:
    hits = int(confusion[number, number])
    support = int(confusion[number].sum())
    named = int(confusion[:, number].sum())
    # What the test split cannot tell is null, not 0: nobody asked about this class, or the model never said it.
    return {
        "precision": hits / named if named else None,
        "recall": hits / support if support else None,
        "f1": 2 * hits / (named + support) if named + support else None,
        "support": support,
    }


def subtract(challenger: Dict[str, Any], champion: Dict[str, Any]) -> Dict[str, Any]:
    """Challenger minus champion: figures, recall per class, and how many examples only one of them recognises."""
    pairs = list(zip(challenger["correct"], champion["correct"]))
    new, old = challenger["per_class"], champion["per_class"]
    recalls = {label: (new[label]["recall"], old[label]["recall"]) for label in new}
    return {
        **{name: challenger[name] - champion[name] for name in ("accuracy", "top5_accuracy", "log_loss")},
        "recall": {label: None if None in pair else pair[0] - pair[1] for label, pair in recalls.items()},
        "only_challenger_right": pairs.count((1, 0)),
        "only_champion_right": pairs.count((0, 1)),
    }


def choose_examples(truth: Sequence[int], correct: Sequence[int], count: int) -> List[int]:
    """Numbers of up to `count` examples: one of each class first, and those that were recognised before the others."""
    chosen: List[int] = []
    order = sorted(range(len(truth)), key=lambda number: (1 - correct[number], number))
    seen = set()
    for number in order:
        if truth[number] not in seen:
            seen.add(truth[number])
            chosen.append(number)
    taken = set(chosen)
    return (chosen + [number for number in order if number not in taken])[:count]
