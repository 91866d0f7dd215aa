"""The Edge TPU compiler's limits: one small function each, its docstring is the user's message."""
