"""Running compiled captures on this machine, from Python.

The object that ``compile`` would write is loaded as it is; there is no second code path.
"""

from __future__ import annotations

import ctypes

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt

from schedc.backends.llvm.module import stage_symbol, state_layout
from schedc.backends.llvm.pipeline import RUN_SYMBOL, WAIT_SYMBOL, JobWord, pipeline_object
from schedc.backends.llvm.target_machine import target_machine
from schedc.compiler import Compilation, ModelPath, compile_graph, make_options, read_capture
from schedc.errors import ArchitectureMismatch, InternalError, UserError
from schedc.host_jobs import RUN_TYPE, WAIT_TYPE, FloatArray, JobTable, aligned_bytes, from_blocks, to_blocks
from schedc.host_pipeline import HostPipeline, PipelineCode, StageCode, StageWaits
from schedc.ir.graph import Graph

_STRETCH_BLOCKS = 1024  # per call of machine code, so that an interrupt from the keyboard is heard
_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_PROCESS = ctypes.CFUNCTYPE(None, _POINTER, _POINTER, _POINTER, _POINTER, _INT)
_INIT = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER)


class LoadedCode:
    """An object's functions, callable, and those of the host pipeline.  Calls release the GIL."""

    def __init__(self, compilation: Compilation) -> None:
        machine = target_machine(compilation.options.target)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        for code in (compilation.code.elf, pipeline_object(compilation.options.target)):
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        count = len(compilation.program.stages)
        self.stages = [self._address(stage_symbol(compilation.name, stage, count)) for stage in range(count)]
        self.process_address = self._address(f"{compilation.name}_process")
        self.process = _PROCESS(self.process_address)
        self.init = _INIT(self._address(f"{compilation.name}_init"))
        self.run = RUN_TYPE(self._address(RUN_SYMBOL))
        self.wait = WAIT_TYPE(self._address(WAIT_SYMBOL))

    def _address(self, symbol: str) -> int:
        address: int = self._engine.get_function_address(symbol)
        if not address:
            raise InternalError(f"the loaded object has no {symbol}")
        return address


class Processor:
    """A capture ready to process audio on this machine; state carries over between calls.

    Made by :func:`load`.  With several cores it has threads: close it, or use it in a ``with``.
    Not to be used by two threads at once.
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
        self._pipeline: HostPipeline | None = None
        self._closed = False
        self._state = aligned_bytes(compilation.state_bytes)
        self._weights = self._hold(blob)
        self.block = compilation.options.frames
        self.sample_rate = sample_rate
        self.in_channels = sum(node.channels for node in graph.inputs)
        self.out_channels = sum(node.op.operand_channels[0] for node in graph.outputs)
        self.reset()

    @property
    def latency_samples(self) -> int:
        """Constant lag of the output, in samples: 0 with one core, (cores - 1) * block with a pipeline."""
        return (len(self._code.stages) - 1) * self.block

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
        self._drop_pipeline()
        code = self._code.init(self._state.ctypes.data, self._weights.ctypes.data)
        if code:
            raise InternalError(f"init refused its own weight blob with code {code}")
        self._jobs = self._single_job()

    def process(self, x: npt.ArrayLike) -> FloatArray:
        """float32 samples [n] (one channel) or [in_channels, n], any n; returns the same form.

        The output lags by ``latency_samples``, which begin with zeros: y[k] = y_single[k - latency].
        Raises UserError for another number of channels, or after ``close``.
        """
        given = np.asarray(x, np.float32)
        flat = given.ndim == 1
        rows = np.ascontiguousarray(np.atleast_2d(given))
        if given.ndim > 2 or rows.shape[0] != self.in_channels:
            wanted = f"give [n] or [channels, n] with {self.in_channels} channel(s)"
            raise UserError("process", f"input of shape {given.shape}", wanted)
        if self._closed:
            raise UserError("process", "the processor is closed", "load the capture again")
        result = self._pipelined(rows) if len(self._code.stages) > 1 else self._alone(rows)
        return result[0] if flat and self.out_channels == 1 else result

    def _pipelined(self, rows: FloatArray) -> FloatArray:
        """On one thread per stage; the threads start here."""
        if self._pipeline is None:
            program = self._compilation.program
            handoffs = [stage.arena.handoff_bytes for stage in program.stages if stage.arena]
            states = (int(self._state.ctypes.data) + offset for offset in state_layout(program).stages)
            stages = [StageCode(*parts) for parts in zip(self._code.stages, states, handoffs, strict=True)]
            keep = (self._code, self._state, self._weights)
            code = PipelineCode(stages, self._weights.ctypes.data, self._code.run, self._code.wait, keep)
            self._pipeline = HostPipeline(code, self.block, self.in_channels, self.out_channels)
        return self._pipeline.process(rows)

    def _alone(self, rows: FloatArray) -> FloatArray:
        """On this thread: whole blocks by few calls, then what is left."""
        whole = rows.shape[1] // self.block * self.block if rows.shape[1] > self.block else 0
        result = np.empty((self.out_channels, rows.shape[1]), np.float32)
        for begin in range(0, whole, _STRETCH_BLOCKS * self.block):
            end = min(whole, begin + _STRETCH_BLOCKS * self.block)
            result[:, begin:end] = self._blocks(rows[:, begin:end])
        if rest := rows.shape[1] - whole:
            x, y = to_blocks(rows[:, whole:], rest), np.empty((1, self.out_channels, rest), np.float32)
            self._code.process(self._state.ctypes.data, self._weights.ctypes.data, x.ctypes.data, y.ctypes.data, rest)
            result[:, whole:] = y[0]
        return result

    def _blocks(self, rows: FloatArray) -> FloatArray:
        """Whole blocks, one after the other."""
        source = to_blocks(rows, self.block)
        target = np.empty((len(source), self.out_channels, self.block), np.float32)
        self._jobs.set_words(0, {JobWord.SOURCE: source.ctypes.data, JobWord.TARGET: target.ctypes.data})
        self._jobs.set_counter(0, 0)
        self._jobs.set_counter(self._jobs.submitted_line, len(source))
        if self._code.run(self._jobs.job_address(0), len(source)):
            raise InternalError("a run of blocks ended early")
        return from_blocks(target)

    def _single_job(self) -> JobTable:
        """The job of :meth:`_blocks`, but for the samples' addresses: one stage, never held up."""
        jobs = JobTable(1)
        own = jobs.counter_address(0)
        words = {
            JobWord.STAGE: self._code.process_address,
            JobWord.STATE: self._state.ctypes.data,
            JobWord.WEIGHTS: self._weights.ctypes.data,
            JobWord.SOURCE_STRIDE: 4 * self.in_channels * self.block,
            JobWord.SOURCE_MASK: -1,
            JobWord.TARGET_STRIDE: 4 * self.out_channels * self.block,
            JobWord.TARGET_MASK: -1,
            JobWord.BEFORE: jobs.counter_address(jobs.submitted_line),
            JobWord.AFTER: own,
            JobWord.OWN: own,
            JobWord.CAPACITY: 1,
            JobWord.FRAMES: self.block,
            JobWord.STOP: jobs.counter_address(jobs.stop_line),
            JobWord.SPINS: 1,
        }
        jobs.set_words(0, words)
        return jobs

    @property
    def pipeline_waits(self) -> list[StageWaits]:
        """Per stage, since the last reset: how often it had to wait; empty with one core."""
        return self._pipeline.waits if self._pipeline else []

    def close(self) -> None:
        """End the threads of a pipeline.  Done by ``with``, at garbage collection and at exit, too."""
        self._closed = True
        self._drop_pipeline()

    def _drop_pipeline(self) -> None:
        if self._pipeline:
            self._pipeline.close()
            self._pipeline = None

    def __enter__(self) -> Processor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def set_weights(self, path: ModelPath) -> None:
        """Another capture of the same architecture: no compilation.  Resets the state.

        Raises ArchitectureMismatch, naming the first difference, for another architecture.
        """
        capture = read_capture(path, self._slim)
        if capture.graph != self._graph:
            raise ArchitectureMismatch(str(path), first_difference(self._graph, capture.graph), "load it instead")
        blob = self._compilation.pack(capture, self._prewarm)
        self._drop_pipeline()  # its threads read the old weights
        self._weights = self._hold(blob)
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
    ``cores``: threads, each with a stage of the model; the output then lags (``latency_samples``).
    ``slim``: size of a container or slimmable capture.  ``prewarm``: start from the silence state,
    else from zero.  Raises UserError (with ``ModelFileError`` for the file's faults).
    """
    capture = read_capture(path, slim)
    compilation = compile_graph(capture.graph, make_options("host", cores, block))
    blob = compilation.pack(capture, prewarm)
    return Processor(compilation, blob, capture.graph, sample_rate=capture.rate, slim=slim, prewarm=prewarm)
