"""What a dossier needs of a verdict; the judge's own types fit, and the two rooms need not know each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Check(Protocol):
    """One gate."""

    @property
    def name(self) -> str:
        """What is checked."""
        ...

    @property
    def found(self) -> str:
        """What was found."""
        ...

    @property
    def allowed(self) -> str:
        """What is allowed."""
        ...

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        ...


class Comparison(Protocol):
    """One metric of challenger and champion."""

    @property
    def metric(self) -> str:
        """Its name."""
        ...

    @property
    def challenger(self) -> float:
        """The candidate's figure."""
        ...

    @property
    def champion(self) -> float | None:
        """The champion's figure; None if there is none."""
        ...

    @property
    def difference(self) -> float | None:
        """Challenger minus champion."""
        ...


class ClassRecall(Protocol):
    """Recall of one class."""

    @property
    def label(self) -> str:
        """The class."""
        ...

    @property
    def challenger(self) -> float:
        """The candidate's figure."""
        ...

    @property
    def champion(self) -> float | None:
        """The champion's figure; None if there is none."""
        ...

    @property
    def support(self) -> int:
        """Its test images."""
        ...


class Significance(Protocol):
    """How sure the difference in accuracy is."""

    @property
    def difference(self) -> float:
        """Challenger minus champion."""
        ...

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        ...

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        ...

    @property
    def p_value(self) -> float:
        """Share of resamples in which the challenger is no better."""
        ...


class Verdict(Protocol):
    """What the gates said."""

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        ...

    @property
    def checks(self) -> Sequence[Check]:
        """Every gate."""
        ...

    @property
    def reasons(self) -> Sequence[str]:
        """Why, in sentences."""
        ...

    @property
    def significance(self) -> Significance | None:
        """None for the first model ever."""
        ...

    @property
    def comparisons(self) -> Sequence[Comparison]:
        """Every metric."""
        ...

    @property
    def recalls(self) -> Sequence[ClassRecall]:
        """Every class."""
        ...
