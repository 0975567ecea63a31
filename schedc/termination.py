"""Being told to end: what cleans up at Ctrl-C cleans up then, too."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Asked to end by somebody else, and the terminal is gone (there is no such signal on Windows).
_SIGNALS = [signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if name in signal.Signals.__members__]


class Terminated(SystemExit):
    """Raised in the main thread where a signal came; ``code`` is what a shell says of such an end."""

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(self.exit_code)


@contextmanager
def terminable() -> Iterator[None]:
    """Raise :class:`Terminated` at such a signal.  What is ignored (``nohup``) or handled by others stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, _: FrameType | None) -> None:
    for again in _SIGNALS:
        if signal.getsignal(again) is _raise:
            signal.signal(again, signal.SIG_IGN)  # the first one is enough; nothing disturbs the cleaning up
    raise Terminated(number)
