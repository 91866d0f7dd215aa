"""Program → C text. Deterministic: the same model gives the same bytes."""
