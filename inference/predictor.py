"""The one predictor: loads a model once, proves that it answers, and names the five best classes of an example."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Callable, List, Mapping, Tuple

import numpy as np

from inference import image
from inference.engine import Engine, load_engine
from inference.failure import ModelError, ServingError
from inference.reader import make_reader
from inference.store import Artefact, Identity
from ratchet.contract import Signature

TOP = 5


@dataclass(frozen=True)
class Prediction:
    """One class and its probability, 0 to 1."""

    label: str
    probability: float


Ranking = Tuple[Prediction, ...]


class Predictor:
    """A loaded model. Thread-safe: what is sent is read side by side, the network runs one at a time."""

    def __init__(self, engine: Engine, signature: Signature, identity: Identity) -> None:
        self.identity = identity
        self.engine_name = engine.name
        self.kind = signature.kind
        self.reader = make_reader(signature)
        self._engine = engine
        self._signature = signature
        self._lock = threading.Lock()

    @classmethod
    def load(cls, artefact: Artefact, make_engine: Callable[[Artefact], Engine] = load_engine) -> Predictor:
        """Bind the network and run it once.

        Raises
        ------
        ModelError
            When it cannot be bound, or its first answer is not one finite score for each label.
        """
        predictor = cls(make_engine(artefact), artefact.signature, artefact.identity)
        predictor.warm_up()
        return predictor

    def warm_up(self) -> None:
        """Run the network on zeros: the first call allocates, and shows a model that answers nonsense."""
        image.load_decoders()
        signature = self._signature
        scores = self._engine.forward(np.zeros((1, *signature.input_shape), dtype=np.float32))
        if scores.shape != (len(signature.labels),):
            raise ModelError("the network has %d outputs, there are %d labels" % (scores.size, len(signature.labels)))
        if not np.isfinite(scores).all():
            raise ModelError("the network's first answer is not finite")

    def predict(self, data: bytes, content_type: str) -> List[Ranking]:
        """The best classes of each example in a body: at most five, most probable first.

        Raises
        ------
        ServingError
            4xx when the bytes are nothing that this model answers, 500 when the network's answer is not finite.
        """
        return [self._rank(batch) for batch in self.reader.read(data, content_type)]

    def predict_asked(self, asked: Mapping[str, Any]) -> List[Ranking]:
        """The best classes of each example in a JSON object; see `predict`."""
        return [self._rank(batch) for batch in self.reader.read_asked(asked)]

    def _rank(self, batch: np.ndarray) -> Ranking:
        with self._lock:
            scores = self._engine.forward(batch)
        if not np.isfinite(scores).all():
            raise ServingError(500, "model_output", "The model's answer is not finite.")
        probabilities = softmax(scores) if self._signature.output == "logits" else scores
        return rank(probabilities, self._signature.labels)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities (classes,) of logits (classes,), shifted by their maximum so that nothing overflows."""
    powers = np.exp(scores.astype(np.float64) - scores.max())
    return powers / powers.sum()


def rank(probabilities: np.ndarray, labels: Tuple[str, ...], top: int = TOP) -> Ranking:
    """The `top` most probable classes; equal ones in the order of the labels."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(Prediction(labels[index], round(float(probabilities[index]), 8)) for index in order)
