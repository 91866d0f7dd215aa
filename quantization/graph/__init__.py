"""The float graph: what each op asks of quantization, and the quantized file made from it."""
