"""Standard output and error as the commands find them, whatever became of their readers.

A reader that goes away (``| head``) has seen what it wanted: what is written after that goes nowhere, the command does
its work to the end, and its exit code says how that went, as if everything had been read.  So
``schedc verify a.nam | head -1`` still fails where the bits differ, and no script stops because of ``head``.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class PatientStream(io.TextIOBase):
    """A stream whose reader may leave; characters that its encoding lacks are written as escapes.

    An OSError of its own has ``name`` for the file's name, and nothing is left to be flushed at exit.
    """

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        with self._patience():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._patience():
            self._stream.flush()

    @contextlib.contextmanager
    def _patience(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._to_nowhere()
        except OSError as error:
            self._to_nowhere()
            raise OSError(error.errno, error.strerror, self._name) from error

    def _to_nowhere(self) -> None:
        """What is left in the buffer, and all that follows, is dropped."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def patient_streams() -> Iterator[None]:
    """Both streams patient, and there: a closed one is written to nowhere."""
    with contextlib.ExitStack() as stack:
        out, error = (
            PatientStream(stream or stack.enter_context(open(os.devnull, "w", encoding="utf-8")), name)
            for stream, name in ((sys.stdout, "standard output"), (sys.stderr, "standard error"))
        )
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(error))
        yield
