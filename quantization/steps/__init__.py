"""Steps that make a quantized model more accurate, one file each."""
