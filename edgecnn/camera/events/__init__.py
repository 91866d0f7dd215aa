"""Events: what appeared and left, logged as it happens and delivered elsewhere."""
