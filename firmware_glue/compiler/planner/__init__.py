"""Graph → Program of steps → offsets in the arena, checked by an independent verifier."""
