"""What the digest of a blob's layout is made of: words that no renaming inside schedc may change."""

from __future__ import annotations

from dataclasses import replace

from helpers.captures import compile_for, graph_of
from helpers.goldens import assert_golden

from schedc.backends.weights.kernel_shape import KernelShape
from schedc.backends.weights.layout_digest import contract_words, shape_words
from schedc.ir.contract import Contract
from schedc.ir.ops import Activation, ActivationKind, Conv, LstmCell
from schedc.schedule import Parts

GRAPH = graph_of(
    ("far", Conv(1, 2, 3, 40), "x"),
    ("bent", Activation(ActivationKind.PRELU, 2), "far"),
    ("cell", LstmCell(2, 3), "bent"),
    ("mix", Conv(3, 1), "cell"),
)


def shapes(target: str) -> list[KernelShape]:
    return [kernel.shape for kernel in compile_for(GRAPH, target, block=8).layout.kernels]


def test_the_words_are_those_of_format_version_1() -> None:
    words = [shape_words(shape) for target in ("m33", "a8") for shape in shapes(target)]
    assert_golden("layout_words.txt", "\n".join(words) + "\n")


def test_every_word_of_a_shape_counts() -> None:
    shape = shapes("a8")[0]
    others = (
        replace(shape, contract=replace(shape.contract, math="fast")),
        replace(shape, contract=replace(shape.contract, nonfinite="zero")),
        replace(shape, schedule=replace(shape.schedule, taps=Parts(2))),
        replace(shape, schedule=replace(shape.schedule, tile_vectors=9)),
        replace(shape, slots=shape.slots[1:]),
        replace(shape, steps=(replace(shape.steps[0], wide=not shape.steps[0].wide), *shape.steps[1:])),
        replace(shape, steps=(replace(shape.steps[0], sums=0), *shape.steps[1:])),
        replace(shape, constants=(*shape.constants, 1)),
        replace(shape, segment_items=shape.segment_items + 16),
    )
    assert len({shape_words(other) for other in (shape, *others)}) == 1 + len(others)


def test_what_was_no_choice_once_is_not_stated() -> None:
    assert contract_words(Contract()) == "mac=fused subnormals=keep math=exact"
    assert contract_words(Contract(nonfinite="zero")).endswith("nonfinite=zero")
    assert "nonfinite" not in shape_words(shapes("m33")[0])
