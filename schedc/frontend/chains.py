"""Several captures in a row as one capture: one graph, compiled, partitioned and packed as a whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from schedc.errors import InternalError, OptionError, UserError, one_line
from schedc.files.paths import AnyPath, path_text
from schedc.frontend.capture import Capture, Reading, read_capture
from schedc.ir.graph import Graph, GraphBuilder, is_recurrent
from schedc.ir.ops import Input, Output, history
from schedc.ir.weights import FloatArray
from schedc.wording import shown

ModelPaths = AnyPath | Sequence[AnyPath]


def path_list(source: ModelPaths) -> tuple[str, ...]:
    """The paths of one capture or of several in a row; OptionError for what is neither."""
    if isinstance(source, str | bytes | os.PathLike):
        return (path_text("path", source),)
    if not isinstance(source, Sequence):
        raise OptionError("path", f"{shown(source)} is neither a path nor a list of paths")
    if not source:
        raise OptionError("path", "there are no captures", "give at least one")
    return tuple(path_text("path", path) for path in source)


def read_source(source: ModelPaths, reading: Reading | None = None) -> Capture:
    """One capture, or a chain of them as one; otherwise as ``read_capture``.

    A chain's captures must agree about the rate, and each must take as many channels as the one before
    gives (UserError).  Its silence is silence at its input: a later capture starts from its answer to
    what the earlier ones make of silence.
    """
    captures = [read_capture(path, reading) for path in path_list(source)]
    if len(captures) == 1:
        return captures[0]
    _check_rates(captures)
    weights: dict[str, dict[str, FloatArray]] = {}
    for number, capture in enumerate(captures):
        for node, parameters in capture.weights.items():
            weights[_prefixed(number, node)] = dict(parameters)
    return replace(
        captures[0],
        path=Path(" + ".join(str(capture.path) for capture in captures)),
        graph=_joined(captures),
        weights=weights,
        prewarm_samples=_prewarm_samples(captures),
        sample_rate=next((c.sample_rate for c in captures if c.sample_rate is not None), None),
        architecture=" + ".join(capture.architecture for capture in captures),
        file_warnings=tuple(warning for capture in captures for warning in capture.file_warnings),
        files=tuple(file for capture in captures for file in capture.files),
    )


def _prewarm_samples(captures: Sequence[Capture]) -> int:
    """Each capture's own in turn.  What comes before an LSTM, whose silence is run, is full of silence first: a Linear
    alone asks for none.
    """
    if not captures[0].reading.prewarm:
        return 0
    samples = 0
    for number, capture in enumerate(captures):
        past = sum(history(node.op) for node in capture.graph)
        feeds_lstm = any(is_recurrent(later.graph) for later in captures[number + 1 :])
        samples += max(capture.prewarm_samples, past) if feeds_lstm else capture.prewarm_samples
    return samples


def chain_name(source: ModelPaths) -> str:
    """What files and symbols of a capture or chain are called before it is made an identifier."""
    return "_".join(Path(path).stem for path in path_list(source))


def model_files(source: ModelPaths) -> tuple[Path, ...]:
    """The files of a capture or a chain."""
    return tuple(map(Path, path_list(source)))


def shown_name(paths: Sequence[Path]) -> str:
    """What a table about captures in a row is headed with."""
    return " + ".join(path.name for path in paths)


def _check_rates(captures: Sequence[Capture]) -> None:
    """A file that does not say fits any rate."""
    stated = [capture for capture in captures if capture.sample_rate is not None]
    for capture in stated[1:]:
        if capture.sample_rate != stated[0].sample_rate:
            raise UserError(
                one_line(str(capture.path)),
                f"runs at {capture.sample_rate:.10g} Hz, {one_line(str(stated[0].path))} at "
                f"{stated[0].sample_rate:.10g} Hz",
                "chain captures of one rate",
            )


def _joined(captures: Sequence[Capture]) -> Graph:
    """All graphs in one; what a capture's output reads is what the next one's input was."""
    builder = GraphBuilder()
    made = ""  # the stream that comes out of the captures so far
    for number, capture in enumerate(captures):
        if capture.graph.recipes:
            raise InternalError("chains are made before passes fold anything")
        names: dict[str, str] = {}
        for node in capture.graph:
            if isinstance(node.op, Input) and number:
                _check_width(builder.nodes[made].channels, node.channels, capture)
                names[node.name] = made
            elif isinstance(node.op, Output):
                made = names[node.operands[0]]
                output = node.op
            else:
                operands = [names[operand] for operand in node.operands]
                names[node.name] = builder.add(_prefixed(number, node.name), node.op, *operands)
    builder.add("output", output, made)
    return builder.build()


def _check_width(given: int, taken: int, capture: Capture) -> None:
    if given != taken:
        where = one_line(str(capture.path))
        raise UserError(where, f"takes {taken} channel(s), the capture before it gives {given}", "chain what fits")


def _prefixed(number: int, name: str) -> str:
    """A node's name in a chain: captures are numbered from 1 in the order of the signal."""
    return f"chain{number + 1}.{name}"
