"""The live page: what the loop sees, in a browser."""
