"""Kernels made for a core, where their arithmetic is proven equal for the op at hand.

An *offer* looks at one op and gives kernel calls with their cost, or None. ``table.py`` lists the
offers of each set of kernels, ``choose.py`` takes the best, and the op's own generic kernel
(``ops/``) stays where nothing is offered.
"""
