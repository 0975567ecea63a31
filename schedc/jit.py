"""Running compiled captures on this machine, from Python.

The object that ``compile`` would write is loaded as it is; there is no second code path.
"""

from __future__ import annotations

import ctypes

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt

from schedc.backends.llvm.target_machine import target_machine
from schedc.compiler import Compilation, ModelPath, compile_graph, make_options, read_capture
from schedc.errors import ArchitectureMismatch, InternalError, UserError
from schedc.ir.graph import Graph

FloatArray = npt.NDArray[np.float32]
_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_PROCESS = ctypes.CFUNCTYPE(None, _POINTER, _POINTER, _POINTER, _POINTER, _INT)
_INIT = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER)


class LoadedCode:
    """An object's functions, callable.  Calls release the GIL."""

    def __init__(self, compilation: Compilation) -> None:
        machine = target_machine(compilation.options.target)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(compilation.code.elf))
        self._engine.finalize_object()
        self.process = _PROCESS(self._address(f"{compilation.name}_process"))
        self.init = _INIT(self._address(f"{compilation.name}_init"))

    def _address(self, symbol: str) -> int:
        address: int = self._engine.get_function_address(symbol)
        if not address:
            raise InternalError(f"the loaded object has no {symbol}")
        return address


def aligned_bytes(size: int) -> npt.NDArray[np.uint8]:
    """Zeroed memory, 64-byte aligned."""
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


class Processor:
    """A capture ready to process audio on this machine; state carries over between calls.

    Made by :func:`load`.  Not to be used by two threads at once.
    """

    def __init__(
        self,
        compilation: Compilation,
        blob: bytes,
        graph: Graph,
        *,
        sample_rate: float,
        slim: float | None,
        prewarm: bool,
    ) -> None:
        self._compilation = compilation
        self._code = LoadedCode(compilation)
        self._graph = graph  # as built: what another capture must equal
        self._slim, self._prewarm = slim, prewarm
        self._state = aligned_bytes(compilation.state_bytes)
        self._weights = self._hold(blob)
        self.block = compilation.options.frames
        self.sample_rate = sample_rate
        self.in_channels = sum(node.channels for node in graph.inputs)
        self.out_channels = sum(node.op.operand_channels[0] for node in graph.outputs)
        self.reset()

    @property
    def latency_samples(self) -> int:
        """Constant lag of the output, in samples."""
        return 0

    @property
    def compilation(self) -> Compilation:
        return self._compilation

    @staticmethod
    def _hold(blob: bytes) -> npt.NDArray[np.uint8]:
        held = aligned_bytes(len(blob))
        held[:] = np.frombuffer(blob, np.uint8)
        return held

    def reset(self) -> None:
        """Back to the silence state (or the zero state, if loaded with ``prewarm=False``)."""
        code = self._code.init(self._state.ctypes.data, self._weights.ctypes.data)
        if code:
            raise InternalError(f"init refused its own weight blob with code {code}")

    def process(self, x: npt.ArrayLike) -> FloatArray:
        """float32 samples [n] (one channel) or [in_channels, n], any n; returns the same form.

        Raises UserError for another number of channels.
        """
        given = np.asarray(x, np.float32)
        flat = given.ndim == 1
        rows = np.ascontiguousarray(np.atleast_2d(given))
        if given.ndim > 2 or rows.shape[0] != self.in_channels:
            wanted = f"give [n] or [channels, n] with {self.in_channels} channel(s)"
            raise UserError("process", f"input of shape {given.shape}", wanted)
        result = np.empty((self.out_channels, rows.shape[1]), np.float32)
        for begin in range(0, rows.shape[1], self.block):
            self._process_block(rows, result, begin, min(self.block, rows.shape[1] - begin))
        return result[0] if flat and self.out_channels == 1 else result

    def _process_block(self, rows: FloatArray, result: FloatArray, begin: int, n: int) -> None:
        source, target = rows[:, begin : begin + n], result[:, begin : begin + n]
        # The code wants rows of n floats back to back: true in place for one channel.
        x = source if len(source) == 1 else np.ascontiguousarray(source)
        y = target if len(target) == 1 else np.empty_like(target, order="C")
        self._code.process(self._state.ctypes.data, self._weights.ctypes.data, x.ctypes.data, y.ctypes.data, n)
        if y is not target:
            target[:] = y

    def set_weights(self, path: ModelPath) -> None:
        """Another capture of the same architecture: no compilation.  Resets the state.

        Raises ArchitectureMismatch, naming the first difference, for another architecture.
        """
        capture = read_capture(path, self._slim)
        if capture.graph != self._graph:
            raise ArchitectureMismatch(str(path), first_difference(self._graph, capture.graph), "load it instead")
        self._weights = self._hold(self._compilation.pack(capture, self._prewarm))
        self.reset()


def first_difference(ours: Graph, theirs: Graph) -> str:
    """Where two graphs first differ, in words."""
    for a, b in zip(ours, theirs, strict=False):
        if a != b:
            return f"another architecture: {b.name} is {b.op}, the compiled code has {a.name} as {a.op}"
    return f"another architecture: {len(theirs)} nodes, the compiled code has {len(ours)}"


def load(
    path: ModelPath, *, block: int = 64, cores: int = 1, slim: float | None = None, prewarm: bool = True
) -> Processor:
    """Compile a capture for this machine and make it ready to process audio.

    ``block``: the largest number of samples per call of the compiled code (longer input is cut up).
    ``slim``: size of a container or slimmable capture.  ``prewarm``: start from the silence state,
    else from zero.  Raises UserError (with ``ModelFileError`` for the file's faults).
    """
    capture = read_capture(path, slim)
    compilation = compile_graph(capture.graph, make_options("host", cores, block))
    blob = compilation.pack(capture, prewarm)
    return Processor(compilation, blob, capture.graph, sample_rate=capture.rate, slim=slim, prewarm=prewarm)
