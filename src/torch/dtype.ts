/** @file Element types: their names (PyTorch's), sizes, and the safetensors spelling. */

export const DTYPES = {
  float32: { bytes: 4, safetensors: "F32", floating: true },
  float64: { bytes: 8, safetensors: "F64", floating: true },
  float16: { bytes: 2, safetensors: "F16", floating: true },
  bfloat16: { bytes: 2, safetensors: "BF16", floating: true },
  int64: { bytes: 8, safetensors: "I64", floating: false },
  int32: { bytes: 4, safetensors: "I32", floating: false },
  int16: { bytes: 2, safetensors: "I16", floating: false },
  int8: { bytes: 1, safetensors: "I8", floating: false },
  uint8: { bytes: 1, safetensors: "U8", floating: false },
  bool: { bytes: 1, safetensors: "BOOL", floating: false },
} as const;

export type DType = keyof typeof DTYPES;
