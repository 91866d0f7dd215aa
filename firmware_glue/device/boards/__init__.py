"""One TOML per core or board; :mod:`firmware_glue.device.board` reads them."""
