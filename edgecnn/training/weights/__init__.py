"""Weights to start from: any model file as a list of layers, and what of them fits a model."""
