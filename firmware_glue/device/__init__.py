"""The device part: boards, C toolchain, ELF sizes, emulators. Knows the compiler's files only."""
