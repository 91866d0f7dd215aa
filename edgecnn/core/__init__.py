"""What every room shares: errors, specs, bundles, the interpreter, the .tflite format."""
