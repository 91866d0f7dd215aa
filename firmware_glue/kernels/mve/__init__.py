"""Kernels for Armv8.1-M with Helium, and plain C that gives the same bytes elsewhere."""
