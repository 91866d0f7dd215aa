"""One file per op or family of ops; ``table`` lists them all."""
