"""Arm Ethos-U NPUs, compiled and estimated by Vela."""
