"""Where models run: one folder per kind behind one protocol (:mod:`targets.base`)."""
