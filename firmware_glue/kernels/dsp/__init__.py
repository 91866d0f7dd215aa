"""Kernels for Armv7E-M and Armv8-M with DSP, and plain C that gives the same bytes elsewhere."""
