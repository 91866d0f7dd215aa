"""C files of the chips: clock, line and watchdog of each family."""
