"""The detection loop: capture, preprocess, infer, decode, draw, write; gets a Predictor."""
