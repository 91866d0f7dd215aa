"""The .tflite format: the only code that knows flatbuffers."""
