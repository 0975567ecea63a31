"""Tests use a code cache of their own, never the user's, and no terminal's width; property tests do not change."""

from __future__ import annotations

import importlib
import pkgutil
import signal
from collections.abc import Iterator

import pytest
from helpers.effort import examples_per_test
from hypothesis import settings

# What a test with @given does not say itself.  Hypothesis' own default draws other examples each run, keeps what
# failed in a folder of the checkout, and fails what takes more than 200 ms, which depends on the machine's load.
settings.register_profile("schedc", examples_per_test(100))
settings.load_profile("schedc")


@pytest.fixture(scope="session", autouse=True)
def own_code_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCHEDC_CACHE", str(tmp_path_factory.mktemp("code_cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def signals_end_programs() -> Iterator[None]:
    """Programs that tests start inherit what is ignored here, as by a shell that started us in the background."""
    ignored = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.default_int_handler)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session", autouse=True)
def no_terminal() -> Iterator[None]:
    """Whoever exports the width of a terminal, or wants colours, sees the same tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def every_module_is_imported() -> None:
    """Hypothesis tries the constants of all modules of ours that are imported.

    Were these only what earlier tests have needed, a test's examples would depend on what ran before it.
    """
    import schedc  # not above: a worker measures coverage from the start of its session on

    for module in pkgutil.walk_packages(schedc.__path__, "schedc."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
