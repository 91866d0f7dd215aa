"""Metrics and batch evaluation of a predictor handed in."""
