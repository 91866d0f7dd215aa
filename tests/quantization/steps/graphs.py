"""Float graphs grown op by op, and how to run them."""

from __future__ import annotations

import numpy as np

from edgecnn.core.runtime import LiteRTPredictor
from tests.builders import ModelBuilder


class Net:
    """Grows a float graph op by op; constants come from one seed."""

    def __init__(self, shape=(1, 8, 8, 4), seed=0):
        self.build = ModelBuilder()
        self.rng = np.random.default_rng(seed)
        self.input = self.last = self.build.tensor(shape, "float32", name="image")
        self.shape = shape

    def const(self, *shape, low=None):
        values = self.rng.normal(size=shape) if low is None else self.rng.uniform(low, 2, shape)
        return self.build.tensor(shape, "float32", data=values)

    def ints(self, values):
        return self.build.tensor(np.shape(values), "int32", data=np.asarray(values))

    def op(self, code, inputs, shape, **options):
        name = f"{code.lower()}_{len(self.build.ops)}"
        out = self.build.tensor(shape, "float32", name=name)
        self.build.op(code, inputs, [out], **options)
        self.last, self.shape = out, tuple(shape)
        return out

    def layer(self, kind, padding="SAME", kernel=3, bias=True):
        n, h, w, c = (*self.shape, 1, 1)[:4] if len(self.shape) == 4 else (1, 1, 1, self.shape[-1])
        if kind == "FULLY_CONNECTED":
            ins = [self.last, self.const(5, c), *([self.const(5)] if bias else [])]
            return self.op(kind, ins, (int(np.prod(self.shape[:-1])), 5))
        if kind == "TRANSPOSE_CONV":
            out = (1, 2 * h, 2 * w, 5)
            ins = [self.ints(out), self.const(5, 3, 3, c), self.last]
            ins += [self.const(5)] if bias else []
            return self.op(kind, ins, out, padding="SAME", stride_w=2, stride_h=2,
                           version=3 if bias else 1)  # fmt: skip
        if padding == "SAME":
            size = (h, w)
        else:
            size = (h - kernel + 1, w - kernel + 1)
        if kind == "DEPTHWISE_CONV_2D":
            ins = [self.last, self.const(1, kernel, kernel, 2 * c), self.const(2 * c)]
            return self.op(kind, ins, (1, *size, 2 * c), padding=padding, depth_multiplier=2)
        groups = 2 if kind == "GROUPED" else 1
        filters = self.const(6, kernel, kernel, c // groups)
        ins = [self.last, filters, self.const(6)]  # LiteRT wants one for floats
        return self.op("CONV_2D", ins, (1, *size, 6), padding=padding)

    def affine(self, code, form="channel", *, first=False, clip="NONE"):
        shape = {"channel": (self.shape[-1],), "scalar": (), "full": self.shape}[form]
        if form == "full":
            row = self.rng.uniform(0.5, 2, self.shape[-1])
            value = self.build.tensor(self.shape, "float32", data=np.broadcast_to(row, self.shape))
        else:
            value = self.const(*shape, low=0.5)
        pair = [value, self.last] if first else [self.last, value]
        return self.op(code, pair, self.shape, fused_activation_function=clip)

    def same(self, code, **options):
        return self.op(code, [self.last], self.shape, **options)

    def data(self, *outputs):
        return self.build.build([self.input], list(outputs) or [self.last])


def run(data, seed=0):
    predictor = LiteRTPredictor(data, resolver="reference")
    rng = np.random.default_rng(seed)
    values = {i.name: rng.normal(size=i.shape).astype(np.float32) for i in predictor.inputs}
    return predictor.predict(values)
