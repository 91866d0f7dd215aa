"""Microcontroller cores and boards: int8 .tflite → C → ELF → emulator."""
