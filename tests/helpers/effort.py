"""How hard the property tests try: the same few examples each run, or many new ones on request."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# SCHEDC_FUZZ=20 draws twenty times the examples, different ones each run: for a long hunt.
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
