"""int8 .tflite → C → ELF → emulator: the microcontroller compiler and its device part."""
