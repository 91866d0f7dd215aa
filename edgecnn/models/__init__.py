"""The zoo: one file per family, an explicit table of names."""
