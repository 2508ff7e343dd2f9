"""What a diagnosis says, as plain data: for the terminal, JSON and HTML alike."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """One explanation of what a layer computed."""

    mistake: str  # the catalogue's id: "lrn.alpha_divided_by_window[norm1]"
    words: str  # "alpha is divided by the window"
    ratio: float  # the greatest error/allowed under this hypothesis: at most 1 explains every element
    residual: float  # ‖received − predicted‖ / ‖received‖
    fitted: Mapping[str, float] = field(default_factory=dict)  # {"alpha": 1.235e-05}
    fix: str = ""  # the line that puts it right, in the port's own framework

    @property
    def explains(self) -> bool:
        """Whether no element is farther from this hypothesis than correct arithmetic can be."""
        return self.ratio <= 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What the layer was fed and gave, and what the document gives: what reproduces the failure without this tool."""

    x: Array  # (N, …) float32, documented axes
    params: Mapping[str, Array]
    expected: Array  # (N, …) float64
    received: Array
    allowed: Array

    @property
    def sentence(self) -> str:
        """The input, as small as it was found, in words."""
        places = np.argwhere(self.x)
        images = f"{len(self.x)} image{'s' * (len(self.x) != 1)}"
        if len(places) != 1:
            return f"the smallest input found to fail has {len(places)} numbers that are not 0, in {images}"
        place = tuple(int(i) for i in places[0])
        return f"the smallest input found to fail is 0 but for {self.x[place]:.6g} at {place}, in {images}"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The explanations of one layer's failure, best first; none, if nothing in the catalogue fits better than the document."""

    layer: str | None  # None: the whole network
    documented: Hypothesis  # the document itself, as the hypothesis to beat
    hypotheses: tuple[Hypothesis, ...]
    evidence: Evidence | None = None

    @property
    def best(self) -> Hypothesis | None:
        """The first choice, if it explains every element."""
        return self.hypotheses[0] if self.hypotheses and self.hypotheses[0].explains else None

    @property
    def confidence(self) -> float:
        """How many times larger the residual of the next explanation is, the document being one of them."""
        if self.best is None:
            return 0.0
        others = [hypothesis.residual for hypothesis in self.hypotheses[1:]] + [self.documented.residual]
        floor = float(np.finfo(np.float32).eps)  # below float32's own resolution residuals do not differ
        return min(others, default=math.inf) / max(self.best.residual, floor)

    @property
    def finding(self) -> str:
        """What is wrong, in one line."""
        places = [self.layer] if self.layer else re.findall(r"\[(\w+)\]", self.best.mistake) if self.best else []
        where = f"{', '.join(dict.fromkeys(places))}: " if places else ""
        if self.best is None:
            near = (
                f"; nearest: {self.hypotheses[0].words} (residual {self.hypotheses[0].residual:.0e})" if self.hypotheses else ""
            )
            least = f"; {self.evidence.sentence}" if self.evidence and not self.documented.explains else ""
            return f"{where}no mistake of the catalogue explains it (residual {self.documented.residual:.0e}){near}{least}"
        fitted = ", ".join(f"{name} {value:.4g}" for name, value in self.best.fitted.items())
        numbers = f"residual {self.best.residual:.0e} under this hypothesis, {self.documented.residual:.0e} under the document"
        return f"{where}{self.best.words} ({f'fitted {fitted}; ' if fitted else ''}{numbers})"

    @property
    def sentence(self) -> str:
        """The finding, and what puts it right."""
        return f"{self.finding}. {self.best.fix}" if self.best and self.best.fix else self.finding
