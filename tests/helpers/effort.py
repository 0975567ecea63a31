"""How hard the tests try (docs/testing.md): a sample in ``make test``; all, and new examples, in ``make test-long``.

``SCHEDC_LONG=1``: the sweeps are whole, the same each time.  ``SCHEDC_FUZZ=20``: property tests draw twenty times the
examples, different ones each run.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

LONG = os.environ.get("SCHEDC_LONG") == "1"
long_only = pytest.mark.skipif(not LONG, reason="long: SCHEDC_LONG=1, make test-long")
FACTOR = int(os.environ.get("SCHEDC_FUZZ", "0"))


def examples_per_test(count: int) -> settings:
    return settings(
        max_examples=count * max(FACTOR, 1),
        derandomize=not FACTOR,
        deadline=None,
        database=None,
        print_blob=bool(FACTOR),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
