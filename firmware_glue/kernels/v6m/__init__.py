"""Kernels for Armv6-M, which Armv7-M and RV32 use too; plain C gives the same bytes elsewhere."""
