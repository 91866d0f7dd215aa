"""Everything between an ELF image and a board's flash: files, drives, programs, ports."""
