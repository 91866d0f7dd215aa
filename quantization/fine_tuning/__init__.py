"""Quantization-aware fine-tuning: the float graph as a Keras model that feels its rounding."""
