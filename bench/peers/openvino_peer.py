# SPDX-License-Identifier: MIT
"""OpenVINO: its scaled_dot_product_attention on the CPU plugin."""
from __future__ import annotations

import numpy as np


class OpenVino:
    name = "openvino"

    def __init__(self, threads):
        import openvino
        from openvino import opset13
        self.openvino, self.ops = openvino, opset13
        self.core, self.threads = openvino.Core(), threads
        self.version = openvino.__version__.split("-")[0]

    def supports(self, case):
        if case.hk != case.hq:
            return "as many heads of K as of Q"
        if case.softcap or case.slopes is not None:
            return "softcap and ALiBi are not options"
        return None

    def prepare(self, case):
        ops, ov = self.ops, self.openvino
        kind = {"f32": ov.Type.f32, "bf16": ov.Type.bf16, "f16": ov.Type.f16}[case.dtype]
        inputs = [ops.parameter(list(x.shape), kind) for x in (case.q, case.k, case.v)]
        scale = ops.constant(np.array(case.scale, np.float32))
        # The mask comes in front of the scale and cannot be left out.
        seen = case.visible() if not (case.plain or case.only_causal) else None
        mask = ops.constant(np.array(0, np.float32) if seen is None else
                            np.where(seen, np.float32(0), np.float32(-np.inf)))
        if case.dtype != "f32":
            scale, mask = ops.convert(scale, kind), ops.convert(mask, kind)
        node = ops.scaled_dot_product_attention(*inputs, mask, scale, causal=case.only_causal)
        compiled = self.core.compile_model(ov.Model([node], inputs, "attention"), "CPU", {
            "INFERENCE_NUM_THREADS": self.threads, "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": kind})
        request = compiled.create_infer_request()
        tensors = []
        for i, x in enumerate((case.q, case.k, case.v)):
            tensors.append(ov.Tensor(x) if case.dtype != "bf16" else
                           ov.Tensor(x.view(np.uint16), list(x.shape), kind))
            request.set_input_tensor(i, tensors[-1])

        def result():
            out = request.get_output_tensor(0)
            if case.dtype == "bf16":
                bits = np.array(out.data).view(np.uint16).astype(np.uint32) << 16
                return bits.view(np.float32)
            return np.array(out.data)

        return request.infer, result
