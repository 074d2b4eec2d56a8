# SPDX-License-Identifier: MIT
"""How far two streams of logits are apart."""

from __future__ import annotations

import numpy as np


class Comparison:
    """Logits compared with reference logits, token by token."""

    def __init__(self) -> None:
        self._difference: list[float] = []  # sum of squares, per token
        self._reference: list[float] = []
        self._max_abs: list[float] = []
        self._same_choice = 0

    def add(self, found: np.ndarray, expected: np.ndarray) -> None:
        """Logits of one more token, or of several: [n, vocab]."""
        for one, exact in zip(np.atleast_2d(found), np.atleast_2d(expected).astype(np.float64)):
            off = one - exact
            self._difference.append(float(off @ off))
            self._reference.append(float(exact @ exact))
            self._max_abs.append(float(np.abs(off).max()))
            self._same_choice += int(one.argmax() == exact.argmax())

    def relative_rms(self) -> float:
        """Root of the squared differences of all tokens over the squared reference."""
        return float(np.sqrt(np.sum(self._difference) / np.sum(self._reference)))

    def same_choice(self) -> str:
        """How often the likeliest token is the same."""
        return f"{self._same_choice} of {len(self._difference)}"

    def report(self, limit: float) -> str:
        """A line, whether all is within the limit first; NaN is not."""
        tokens = np.sqrt(np.divide(self._difference, self._reference))
        worst = int(tokens.argmax())  # the first NaN, if there is one
        verdict = "ok" if self.relative_rms() <= limit else "FAILED"
        return (f"check against float64 attention: {verdict}; "
                f"logits of {len(tokens)} steps: relative RMS {self.relative_rms():.2e} "
                f"(limit {limit:g}), worst step {worst} with {tokens[worst]:.2e}, "
                f"max abs error {np.max(self._max_abs):.2e}, "
                f"same likeliest token in {self.same_choice()}")
