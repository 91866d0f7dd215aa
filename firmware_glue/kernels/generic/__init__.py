"""Portable C99 kernels: any core, any compiler."""
