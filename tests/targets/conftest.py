"""The command line's small captures."""

from __future__ import annotations

from cli.conftest import wavenet as wavenet
