"""This machine with LiteRT: the reference target."""
