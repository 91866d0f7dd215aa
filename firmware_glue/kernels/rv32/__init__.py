"""Kernels for RV32IM: plain C that gives the same bytes everywhere."""
