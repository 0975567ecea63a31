"""Who does a fleet's work: this process, processes here, or a Dask cluster.

A piece of work is a function of one capture or architecture; pieces are done in any order.  One that raises, or whose
worker dies, gives an error in words in place of its result; the others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from schedc.errors import SchedcError, SchedcWarning, UserError, one_line
from schedc.wording import quoted

Result = TypeVar("Result")
Arguments = Sequence[tuple[object, ...]]
DIED = "the worker died (a crash, or too little memory)"


@dataclass(frozen=True)
class Failure:
    """Why a piece of work has no result."""

    reason: str


class Workers(Protocol):
    """``run`` yields (index of the arguments, result) as pieces of work finish.

    ``share``, once before all runs: what they get after their own arguments, if ``run`` is told so.
    ``remote``: the workers may not see this machine's files.
    """

    remote: bool

    def share(self, *shared: object) -> None: ...

    def run(
        self, work: Callable[..., Result], arguments: Arguments, shared: bool = False
    ) -> Iterator[tuple[int, Result | Failure]]: ...

    def close(self) -> None: ...


class InlineWorkers:
    """One piece of work after the other in this process."""

    remote = False

    def share(self, *shared: object) -> None:
        self._shared = shared

    def run(
        self, work: Callable[..., Result], arguments: Arguments, shared: bool = False
    ) -> Iterator[tuple[int, Result | Failure]]:
        for index, own in enumerate(arguments):
            yield index, attempt(work, *own, *(self._shared if shared else ()))

    def close(self) -> None:
        """Nothing to close."""


class LocalWorkers:
    """``count`` processes on this machine, which end with this one, whatever ends it."""

    remote = False

    def __init__(self, count: int) -> None:
        self._count = count
        self._shared: tuple[object, ...] = ()
        self._pool: ProcessPoolExecutor | None = None
        self._lifeline: Connection | None = None
        self._at_work = False

    def share(self, *shared: object) -> None:
        self._shared = shared

    def run(
        self, work: Callable[..., Result], arguments: Arguments, shared: bool = False
    ) -> Iterator[tuple[int, Result | Failure]]:
        done: set[int] = set()
        try:
            yield from self._finished(work, arguments, range(len(arguments)), shared, done)
        except BrokenProcessPool:  # one piece of work killed its worker and with it the pool: find out which
            for index in sorted(set(range(len(arguments))) - done):
                self.close()
                try:
                    yield from self._finished(work, arguments, [index], shared, done)
                except BrokenProcessPool:
                    yield index, Failure(DIED)
            self.close()

    def _finished(
        self, work: Callable[..., Result], arguments: Arguments, indices: Sequence[int], shared: bool, done: set[int]
    ) -> Iterator[tuple[int, Result | Failure]]:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")  # LLVM and threads do not survive a fork
            count = min(self._count, max(1, len(arguments)))
            watched, self._lifeline = context.Pipe(duplex=False)
            begin = partial(_begin, watched, *self._shared)
            self._pool = ProcessPoolExecutor(count, mp_context=context, initializer=begin)
        self._at_work = True
        futures: dict[Future[Result | Failure], int] = {
            self._pool.submit(_with_kept, work, shared, *arguments[index]): index for index in indices
        }
        for future in as_completed(futures):
            result = future.result()
            done.add(futures[future])
            yield futures[future], result
        self._at_work = False

    def close(self) -> None:
        """End the processes, those that are at work, too; nobody waits for their results any more."""
        if self._lifeline is not None and self._at_work:
            self._lifeline.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._lifeline is not None:
            self._lifeline.close()
        self._pool, self._lifeline, self._at_work = None, None, False


_kept: tuple[object, ...] = ()


def _begin(lifeline: Connection, *shared: object) -> None:
    """In a new worker: what is shared, sent once; and from now on it ends when the lifeline does."""
    global _kept
    _kept = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the one who gave the work decides
    warnings.simplefilter("ignore", SchedcWarning)  # said there, once
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    """Nothing is ever sent: the pipe ends where its other end is closed, or its process is gone, killed or not."""
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os._exit(1)


def _with_kept(work: Callable[..., Result], shared: bool, *own: object) -> Result | Failure:
    return attempt(work, *own, *(_kept if shared else ()))


def attempt(work: Callable[..., Result], *arguments: object) -> Result | Failure:
    """The result of a piece of work, or why there is none."""
    try:
        return work(*arguments)
    except SchedcError as error:
        return Failure(str(error))
    except Exception as error:  # one broken file never stops the rest
        return Failure(f"internal error (please report this as a bug of schedc): {type(error).__name__}: {error}")


_PATIENCE = 10  # seconds
_ADDRESS = re.compile(r"(?:(tcp|tls|ws|wss)://)?(\[[0-9A-Fa-f:.]+\]|[\w.-]+):([0-9]{1,5})", re.ASCII)


def check_address(address: str) -> None:
    """UserError for what is no address of a scheduler, or where nobody listens.  Dask would take half a minute to find
    out, and print a traceback.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found[3]) < 2**16:
        raise UserError("--scheduler", f"{quoted(address)} is no address", "write it like tcp://127.0.0.1:8786")
    if found[1] in ("tls", "wss"):
        import distributed

        security: Any = distributed.Security
        if security().get_connection_args("client").get("ssl_context") is None:
            what = f"{found[1]} needs certificates, and Dask's configuration (distributed.comm.tls) names none"
            raise UserError("--scheduler", what)
    try:
        with socket.create_connection((found[2].strip("[]"), int(found[3])), timeout=_PATIENCE) as line:
            speaks = found[1] not in (None, "tcp") or line.recv(1)  # Dask's servers speak first
    except TimeoutError:
        speaks = b""
    except OSError as error:
        raise _unreachable(address, error.strerror or str(error)) from error
    if not speaks:
        raise _unreachable(address, "no Dask scheduler answers")


def _unreachable(address: str, reason: str) -> UserError:
    return UserError("--scheduler", f"{address} cannot be reached ({one_line(reason)})")


class DaskWorkers:
    """The workers of the Dask cluster whose scheduler is at ``address``; they must have this schedc."""

    remote = True

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError:
            remedy = "install it with: pip install distributed"
            raise UserError("--scheduler", "needs the package distributed, which is Dask's", remedy) from None
        check_address(address)
        self._as_completed: Any = distributed.as_completed
        client: Any = distributed.Client
        try:
            self._client = client(address, timeout=_PATIENCE, set_as_default=False)
        except Exception as error:  # whatever a stranger at that address makes of our call
            raise _unreachable(address, str(error)) from error

    def share(self, *shared: object) -> None:
        self._shared = [self._client.scatter(item, broadcast=True, hash=False) for item in shared]

    def run(
        self, work: Callable[..., Result], arguments: Arguments, shared: bool = False
    ) -> Iterator[tuple[int, Result | Failure]]:
        sent = self._shared if shared else []
        futures = {
            self._client.submit(attempt, work, *own, *sent, pure=False, retries=1): index
            for index, own in enumerate(arguments)
        }
        for future in self._as_completed(futures, loop=self._client.loop):
            good = future.status == "finished"
            yield futures[future], future.result() if good else Failure(DIED)

    def close(self) -> None:
        self._client.close()
