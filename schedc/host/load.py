"""Captures to processors: ``schedc.load`` and ``schedc.chain``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from schedc.errors import tell
from schedc.files.paths import AnyPath
from schedc.frontend.chains import ModelPaths, read_source
from schedc.host.code import host_program
from schedc.host.processor import Processor
from schedc.options import LoadOptions, choose, taking


@taking(LoadOptions, block=64)
def load(path: ModelPaths, **given: Unpack[LoadOptions]) -> Processor:
    """Make a capture ready to process audio on this machine; its architecture is compiled if it is new.

    A list of captures: pedal, amp, ... in a row as one program.  The samples pass from one capture to the next inside
    a block, and ``cores`` cuts the whole.  Silence is silence at the chain's input.
    Options: :class:`schedc.options.LoadOptions` and the classes it extends.
    Raises UserError (with ``ModelFileError`` for the file's faults); of a chain also if rates or channels do not fit.
    """
    choices = choose("host", given)
    capture = read_source(path, choices.reading)
    tell(capture.warnings)
    program = host_program(capture.graph, choices.options)
    return Processor(program, program.pack(capture), choices.reading)


@taking(LoadOptions, block=64)
def chain(paths: Sequence[AnyPath], **given: Unpack[LoadOptions]) -> Processor:
    """As :func:`load` of a list of captures."""
    return load(paths, **given)
