"""Settings for the whole suite."""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.cost", "tests.share"]

# Machines differ in speed and tests run beside each other: no case is failed for its time.
settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("default")

# Two test processes share two cores.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
