"""The detection loop: capture, preprocess, infer, decode, draw, write. Gets a Predictor handed in."""
