"""Kernels for Armv6-M, which Armv7-M uses too; plain C gives the same bytes elsewhere."""
