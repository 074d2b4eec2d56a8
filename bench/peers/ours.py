# SPDX-License-Identifier: MIT
"""libattn by its Python binding: a plan tied to its arrays."""
from __future__ import annotations

import attn
import numpy as np


class Ours:
    name = "attn"

    def __init__(self, threads):
        self.context = attn.Context(threads=threads)
        self.version = "%s, %s" % (attn.library_version(), self.context.isa)

    def supports(self, case):
        return None

    def prepare(self, case):
        # The peers round weights to bf16; where the library may do the same, it is let.
        text = case.text
        if case.dtype == "bf16" and "compute" in attn.parameters() and "compute=" not in text:
            text += " compute=bf16"
        run = self.context.plan(text).bind(**case.arrays,
                                           out=np.empty(case.q.shape[:3] + (case.dv,),
                                                        case.q.dtype))
        return run, lambda: run.results.out
