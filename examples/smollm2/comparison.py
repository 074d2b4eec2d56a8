# SPDX-License-Identifier: MIT
"""How far two streams of logits are apart."""

from __future__ import annotations

import numpy as np


class Comparison:
    """Logits compared with reference logits, step by step."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._difference: list[float] = []  # sum of squares, per step
        self._reference: list[float] = []
        self._max_abs: list[float] = []
        self._same_choice = 0

    def add(self, found: np.ndarray, expected: np.ndarray) -> None:
        """One more step."""
        exact = expected.astype(np.float64)
        off = found - exact
        self._difference.append(float(off @ off))
        self._reference.append(float(exact @ exact))
        self._max_abs.append(float(np.abs(off).max()))
        self._same_choice += int(found.argmax() == exact.argmax())

    def relative_rms(self) -> float:
        """Root of the squared differences of all steps over the squared reference."""
        return float(np.sqrt(np.sum(self._difference) / np.sum(self._reference)))

    def passed(self) -> bool:
        """Whether it is within the limit; NaN is not."""
        return self.relative_rms() <= self._limit

    def report(self) -> str:
        steps = np.sqrt(np.divide(self._difference, self._reference))
        worst = int(steps.argmax())  # the first NaN, if there is one
        return (f"check against float64 attention: {'ok' if self.passed() else 'FAILED'}; "
                f"logits of {len(steps)} steps: relative RMS {self.relative_rms():.2e} "
                f"(limit {self._limit:g}), worst step {worst} with {steps[worst]:.2e}, "
                f"max abs error {np.max(self._max_abs):.2e}, "
                f"same likeliest token in {self._same_choice} of {len(steps)}")
