"""Where frames come from: cameras, files, photos, streams, a test pattern."""
