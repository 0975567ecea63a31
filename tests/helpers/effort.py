"""How hard the tests try (docs/testing.md): a sample in ``make test``; all, and new examples, in ``make test-long``.

``SCHEDC_LONG=1``: the sweeps are whole, the same each time.  ``SCHEDC_FUZZ=20``: property tests draw twenty times the
examples, different ones each run.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

T = TypeVar("T")
LONG = os.environ.get("SCHEDC_LONG") == "1"
long_only = pytest.mark.skipif(not LONG, reason="long: SCHEDC_LONG=1, make test-long")
FACTOR = int(os.environ.get("SCHEDC_FUZZ", "0"))
# Compiling makes many objects and few circles of them: to look for those as often as Python does took a seventh of the
# time.  Of every process that collects tests, since some of them import this.
gc.set_threshold(100_000, 20, 50)


def in_turn(ways: Sequence[T], number: int) -> Sequence[T]:
    """All ways to try something; without ``SCHEDC_LONG`` the one whose turn it is for case ``number``."""
    return ways if LONG else [ways[number % len(ways)]]


def examples_per_test(count: int) -> settings:
    return settings(
        max_examples=count * max(FACTOR, 1),
        derandomize=not FACTOR,
        deadline=None,
        database=None,
        print_blob=bool(FACTOR),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
