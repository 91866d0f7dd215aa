"""File formats that boot loaders and flash programs take, each written from one flat image."""
