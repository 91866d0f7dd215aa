"""Post-training quantization: Keras model in, int8 .tflite out, with proof of what it cost."""
