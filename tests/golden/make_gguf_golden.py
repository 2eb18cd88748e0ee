"""Writes data/gguf.json: blocks of each GGUF type we read and their float32 values by the `gguf` package (0.19)."""
import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

rng = np.random.default_rng(0)
out = {}
for type_ in (T.F32, T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q8_0):
    values = rng.standard_normal((2, 64)).astype(np.float32) * 3
    values[0, :3] = [0, -0.0, 1e-6]
    blocks = quantize(values, type_)
    back = dequantize(blocks, type_).astype(np.float32)
    out[type_.name] = {
        "type": int(type_),
        "bytes": np.ascontiguousarray(blocks).view(np.uint8).tobytes().hex(),
        "bits": back.tobytes().hex(),
    }
path = Path(__file__).parent / "data" / "gguf.json"
path.write_text(json.dumps(out, indent=1) + "\n")
