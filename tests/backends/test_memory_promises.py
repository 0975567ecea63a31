"""What the header says of memory: multiples of 4 are enough, weights are only read and states may share them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import capstone
import numpy as np
import pytest
from helpers.captures import EXAMPLES, capture_of, compile_for, graph_of, interpret_core, packed
from helpers.graph_strategy import signal
from helpers.machines import TARGETS, Loaded, LoadedStages, assert_same_bits

from schedc.analysis.disassembly import MachineCode
from schedc.backends.objects.elf import read_image
from schedc.compiler import Compilation, compile_graph
from schedc.frontend.capture import read_capture
from schedc.ir.ops import Activation, ActivationKind, Conv, LstmCell
from schedc.machines import machine_for
from schedc.options import make_options

GRAPH = graph_of(
    ("c", Conv(1, 8, 3, 2), "x"),
    ("t", Activation(ActivationKind.TANH, 8), "c"),
    ("e", Conv(8, 8, 2, 5), "t"),
    ("l", LstmCell(8, 3), "e"),
    ("d", Conv(3, 1, 4), "l"),
)
every_target = pytest.mark.parametrize("target", TARGETS)


class Shifted:
    """A machine whose allocations begin 4 bytes behind a multiple of 64."""

    def __init__(self, compilation: Compilation) -> None:
        self._machine = machine_for(compilation)
        self.call = self._machine.call

    def alloc(self, size: int, align: int = 64) -> int:
        return self._machine.alloc(size + 4) + 4

    def write(self, address: int, data: bytes) -> None:
        self._machine.write(address - 4, bytes(4) + data)

    def read(self, address: int, size: int) -> bytes:
        return self._machine.read(address - 4, size + 4)[4:]

    @property
    def float_words(self) -> Sequence[int]:
        return self._machine.float_words

    @float_words.setter
    def float_words(self, words: Sequence[int]) -> None:
        self._machine.float_words = words


@pytest.mark.parametrize("block", [1, 16])
@every_target
def test_memory_at_any_multiple_of_four_will_do(target: str, block: int) -> None:
    compilation, capture, x = compile_for(GRAPH, target, cores=2, block=block), capture_of(GRAPH), signal(1, 50, 2)
    wanted = interpret_core(capture, x, compilation.options.contract)
    for kind in (Loaded, LoadedStages):
        loaded = kind(compilation, packed(compilation, capture), Shifted(compilation))
        assert loaded.weights % 64 == loaded.source % 64 == 4
        blocks = [block] * (50 // block) + [50 % block] * (50 % block > 0)
        assert_same_bits(loaded.process(x, blocks), wanted, target)


@pytest.mark.parametrize("block", [1, 64])
@pytest.mark.parametrize("model", [path.stem for path in EXAMPLES if path.stem in ("a1_nano", "convnet")])
@pytest.mark.parametrize("target", ["a8", "avx2", "avx512"])
def test_no_instruction_wants_more_but_on_the_stack(target: str, model: str, block: int) -> None:
    """Those that fault elsewhere: Unicorn would not notice, and x86 only where a test comes by."""
    (path,) = [path for path in EXAMPLES if path.stem == model]
    elf = compile_graph(read_capture(path).graph, make_options(target, block=block)).code.elf
    if target == "a8":
        code = MachineCode(elf)
        texts = [i.text for f in code.functions for i in code.body(f.name)]
        bad = [text for text in texts if re.search(r"\[(?!sp)\w+:0x(?!20\b)", text)]
    else:
        decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        image = read_image(elf)
        texts = [
            f"{mnemonic} {operands}"
            for f in image.functions()
            for _, _, mnemonic, operands in decoder.disasm_lite(image.text[f.value : f.value + f.size], f.value)
        ]
        aligned = re.compile(r"v?mov(a|nt|dqa)\w* .*ptr \[(?!r[sb]p|rip)")
        bad = [text for text in texts if aligned.match(text)]
    assert len(texts) > 300 and bad == []


@every_target
def test_states_share_weights_which_are_only_read(target: str) -> None:
    compilation, capture = compile_for(GRAPH, target, block=16), capture_of(GRAPH)
    blob = packed(compilation, capture)
    first = Loaded(compilation, blob)
    second = Loaded(compilation, blob, first.machine)
    second.weights = first.weights
    second.reset()
    x = [signal(1, 48, seed) for seed in (1, 2)]
    found = [np.zeros((1, 0), np.float32)] * 2
    for begin in range(0, 48, 16):
        for number, loaded in enumerate((first, second)):
            part = loaded.process(x[number][:, begin : begin + 16], [16])
            found[number] = np.concatenate([found[number], part], axis=1)
    for number in (0, 1):
        assert_same_bits(found[number], interpret_core(capture, x[number], compilation.options.contract), target)
    assert first.machine.read(first.weights, len(blob)) == blob
