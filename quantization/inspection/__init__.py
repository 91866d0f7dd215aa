"""What quantization did, layer by layer, and why."""
