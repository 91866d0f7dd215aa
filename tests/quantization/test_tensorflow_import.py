from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, sys
from quantization.tensorflow_import import quiet
print("before", file=sys.stderr)
with quiet():
    kept = sys.stderr
    print("progress", file=sys.stderr)
    os.write(2, b"chatter from C++")
    with quiet():
        print("nested", file=sys.stderr)
print("after", file=sys.stderr)
print("from a handler made inside", file=kept)
try:
    with quiet():
        raise ValueError("x")
except ValueError:
    print("restored", file=sys.stderr)
"""


def test_only_chatter_is_dropped():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0
    lines = ["before", "progress", "nested", "after", "from a handler made inside", "restored"]
    assert done.stderr.split("\n")[:-1] == lines
