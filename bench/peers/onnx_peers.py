# SPDX-License-Identifier: MIT
"""ONNX Runtime: its own MultiHeadAttention and GroupQueryAttention, and ONNX's Attention.

Inputs and outputs are bound once, so that a run is one call.
"""
from __future__ import annotations

import math

import numpy as np

_TYPES = {"f32": 1, "f16": 10, "bf16": 16}  # of onnx.TensorProto


class _Ort:
    def __init__(self, threads):
        import onnx
        import onnxruntime
        self.onnx, self.ort, self.threads = onnx, onnxruntime, threads
        self.version = onnxruntime.__version__
        onnxruntime.set_default_logger_severity(4)

    def value(self, array, dtype):
        if dtype == "bf16":
            return self.ort.OrtValue.ortvalue_from_numpy_with_onnx_type(
                array.view(np.uint16), _TYPES[dtype])
        return self.ort.OrtValue.ortvalue_from_numpy(array)

    def session(self, case, domain, op, opset, inputs, attributes, outputs=("out",)):
        """inputs: name -> array, "" for one left out; those of q's type are the problem's."""
        helper = self.onnx.helper
        node = helper.make_node(op, [name if x is not None else "" for name, x in inputs.items()],
                                list(outputs), domain=domain, **attributes)
        given = {name: x for name, x in inputs.items() if x is not None}

        def kind(x):
            return (_TYPES[case.dtype] if x.dtype == case.q.dtype
                    else helper.np_dtype_to_tensor_dtype(x.dtype))

        graph = helper.make_graph(
            [node], "attention",
            [helper.make_tensor_value_info(name, kind(x), x.shape) for name, x in given.items()],
            [helper.make_tensor_value_info(name, _TYPES[case.dtype], None) for name in outputs])
        imports = [helper.make_opsetid("", opset)]
        if domain:
            imports.append(helper.make_opsetid(domain, 1))
        model = helper.make_model(graph, opset_imports=imports, ir_version=10)
        options = self.ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        session = self.ort.InferenceSession(model.SerializeToString(), options,
                                            providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        kept = {name: self.value(x, case.dtype if x.dtype == case.q.dtype else None)
                for name, x in given.items()}
        for name, value in kept.items():
            binding.bind_ortvalue_input(name, value)
        return session, binding, kept

    def bind_output(self, binding, kept, name, array, dtype):
        kept[name] = self.value(array, dtype)
        binding.bind_ortvalue_output(name, kept[name])

    def prepared(self, session, binding, kept, out, bhnd):
        def result():
            # The value may be a copy of the array it was made from.
            found = kept["out"]
            raw = (found.numpy() if out.dtype.itemsize != 2 or out.dtype == np.float16
                   else np.frombuffer(_bytes(found, out.nbytes), out.dtype))
            return bhnd(np.asarray(raw).reshape(out.shape).astype(np.float32))

        return lambda: session.run_with_iobinding(binding), result


def _bytes(value, size):
    import ctypes
    return ctypes.string_at(value.data_ptr(), size)


def _bsd(array):
    """[B,H,N,D] as [B,N,H*D]."""
    b, h, n, d = array.shape
    return np.ascontiguousarray(array.transpose(0, 2, 1, 3)).reshape(b, n, h * d)


def _from_bsd(case):
    return lambda x: x.reshape(case.b, case.n, case.hq, case.dv).transpose(0, 2, 1, 3)


def _common(case):
    if case.slopes is not None:
        return "ALiBi is not an option"
    return None


class OrtMha(_Ort):
    name = "ort-mha"

    def supports(self, case):
        if case.hk != case.hq:
            return "as many heads of K as of Q"
        return "softcap is not an option" if case.softcap else _common(case)

    def prepare(self, case):
        bias = None
        if not (case.plain or case.only_causal):
            bias = np.where(case.visible(), 0, -math.inf).astype(case.q.dtype)[None, None]
        parts = self.session(
            case, "com.microsoft", "MultiHeadAttention", 21,
            {"q": _bsd(case.q), "k": _bsd(case.k), "v": _bsd(case.v), "bias": None,
             "padding": None, "mask": bias},
            {"num_heads": case.hq, "scale": case.scale, "unidirectional": int(case.only_causal)})
        out = np.zeros((case.b, case.n, case.hq * case.dv), case.q.dtype)
        self.bind_output(parts[1], parts[2], "out", out, case.dtype)
        return self.prepared(*parts, out, _from_bsd(case))


class OrtGqa(_Ort):
    name = "ort-gqa"

    def supports(self, case):
        if case.n != 1 and not (case.causal and case.n == case.m):
            return "always causal"
        if case.dv != case.d:
            return "as wide values as keys"
        if case.left != math.inf and case.right != 0:
            return "windows look back only"
        return _common(case)

    def prepare(self, case):
        decode = case.n == 1 and case.m > 1
        lengths = np.full((case.b,), case.m - 1, np.int32)
        new = slice(case.m - 1, None) if decode else slice(None)
        cache = (case.b, case.hk, case.m, case.d)
        attributes = {"num_heads": case.hq, "kv_num_heads": case.hk, "scale": case.scale}
        if case.left != math.inf:
            attributes["local_window_size"] = int(case.left) + 1
        if case.softcap:
            attributes["softcap"] = case.softcap
        # A token's K and V are written behind the others, in place.
        past = [np.ascontiguousarray(x) if decode else None for x in (case.k, case.v)]
        parts = self.session(
            case, "com.microsoft", "GroupQueryAttention", 21,
            {"q": _bsd(case.q), "k": _bsd(case.k[:, :, new]), "v": _bsd(case.v[:, :, new]),
             "past_k": past[0], "past_v": past[1], "lengths": lengths,
             "total": np.array([case.m], np.int32).reshape(())},
            attributes, ("out", "present_k", "present_v"))
        session, binding, kept = parts
        out = np.zeros((case.b, case.n, case.hq * case.dv), case.q.dtype)
        self.bind_output(binding, kept, "out", out, case.dtype)
        for name in ("k", "v"):
            if decode:
                binding.bind_ortvalue_output("present_" + name, kept["past_" + name])
            else:
                self.bind_output(binding, kept, "present_" + name,
                                 np.zeros(cache, case.q.dtype), case.dtype)
        return self.prepared(*parts, out, _from_bsd(case))


class OrtAttention(_Ort):
    name = "ort-attention"

    def supports(self, case):
        return _common(case)

    def prepare(self, case):
        mask = None
        if not (case.plain or case.only_causal):
            mask = case.visible()
        attributes = {"scale": case.scale, "is_causal": int(case.only_causal)}
        if case.softcap:
            attributes["softcap"] = case.softcap
        parts = self.session(case, "", "Attention", 23,
                             {"q": case.q, "k": case.k, "v": case.v, "mask": mask}, attributes)
        out = np.zeros(case.q.shape[:3] + (case.dv,), case.q.dtype)
        self.bind_output(parts[1], parts[2], "out", out, case.dtype)
        return self.prepared(*parts, out, lambda x: x)
