"""What may be handed over as samples, in ``process`` and in ``interpret``: floats, and nothing that looks like them."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from helpers.captures import EXAMPLES
from helpers.processors import small_processor

import schedc
from schedc.errors import UserError
from schedc.samples import all_finite, samples

NANO = next(path for path in EXAMPLES if path.stem == "a1_nano")
NOISE = np.random.default_rng(2).normal(0.0, 0.3, 100)
Taker = Callable[[Any], npt.NDArray[Any]]


@pytest.fixture(scope="module")
def takers() -> dict[str, Taker]:
    processor = schedc.load(NANO)

    def process(x: Any) -> npt.NDArray[Any]:
        processor.reset()
        return processor.process(x)

    return {"process": process, "interpret": lambda x: schedc.interpret(NANO, x, "float32")}


KINDS = ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "g"]
FORMS: dict[str, Callable[[npt.NDArray[Any]], Any]] = {
    "array": lambda x: x,
    "every second": lambda x: np.repeat(x, 2)[::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "one row": lambda x: x[None],
    "a column turned": lambda x: x[:, None].T,
    "Fortran order": lambda x: np.asfortranarray(np.stack([x, x]))[:1],
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype),
    "not aligned": lambda x: np.frombuffer(b"." + x.tobytes(), x.dtype, offset=1),
    "a list": lambda x: [float(sample) for sample in x],
    "a list of a list": lambda x: [[float(sample) for sample in x]],
    "a buffer": lambda x: memoryview(x.astype(np.float64).tobytes()).cast("d"),
    "nothing masked": lambda x: np.ma.array(x),
}


@pytest.mark.parametrize("where", ["process", "interpret"])
def test_floats_of_every_kind_and_form_are_the_same_samples(takers: dict[str, Taker], where: str) -> None:
    """Whatever the form, the bits are those of the samples rounded to float32."""
    wanted: dict[bytes, bytes] = {}
    for kind in KINDS if where == "process" else KINDS[1:7:4]:
        x = NOISE.astype(kind)
        rounded = x.astype(np.float32)
        key = rounded.tobytes()
        if key not in wanted:
            wanted[key] = takers[where](rounded).tobytes()
        for form, made in FORMS.items():
            found = takers[where](made(x))
            assert found.dtype == np.float32 and found.tobytes() == wanted[key], f"{kind}, {form}"


def test_float64_is_kept_by_the_interpreter_that_asks_for_it() -> None:
    assert schedc.interpret(NANO, NOISE[:5].astype(">f8"), "float64").dtype == np.float64
    rows, flat = samples("here", NOISE.astype(">f8"), 1, np.dtype(np.float64))
    assert np.array_equal(rows[0], NOISE) and rows.dtype == np.float64 and flat


class Odd:
    def __array__(self, dtype: object = None, copy: object = None) -> npt.NDArray[np.float32]:
        raise RuntimeError("no array today")


REFUSED: list[tuple[Any, str]] = [
    (np.zeros(9, np.int8), "samples of type int8; give floats, full scale 1.0: x / 128.0"),
    (np.zeros(9, np.int16), "samples of type int16; give floats, full scale 1.0: x / 32768.0"),
    (np.zeros(9, ">i2"), "samples of type >i2; give floats, full scale 1.0: x / 32768.0"),
    (
        np.zeros(9, np.int32),
        "samples of type int32; give floats, full scale 1.0: x / 2147483648.0 (24 bits: x / 8388608.0)",
    ),
    (np.zeros(9, np.uint8), "samples of type uint8; give floats, full scale 1.0: x / 128.0 - 1"),
    (np.zeros(9, np.uint16), "samples of type uint16; give floats, full scale 1.0: x / 32768.0 - 1"),
    ([0, 1, 2], "samples of type int64; give floats, full scale 1.0: divide by what full scale is"),
    (np.zeros(9, np.complex64), "samples of type complex64; give floats, full scale 1.0"),
    (np.zeros(9, bool), "samples of type bool; give floats, full scale 1.0"),
    ("abc", "samples of type <U3; give floats, full scale 1.0"),
    (b"abc", "samples of type |S3; give floats, full scale 1.0"),
    (None, "samples of type object; give floats, full scale 1.0"),
    ([0.5, None], "samples of type object; give floats, full scale 1.0"),
    (object(), "samples of type object; give floats, full scale 1.0"),
    (np.zeros(3, "M8[s]"), "samples of type datetime64[s]; give floats, full scale 1.0"),
    (np.ma.array([0.5, 0.5], mask=[False, True]), "some samples are masked; fill them: x.filled(0)"),
    (0.5, "input of shape (); give [n] or [channels, n] with 1 channel(s)"),
    (np.float32(0.5), "input of shape (); give [n] or [channels, n] with 1 channel(s)"),
    (np.zeros((1, 1, 9)), "input of shape (1, 1, 9); give [n] or [channels, n] with 1 channel(s)"),
    (np.zeros((2, 9)), "input of shape (2, 9); give [n] or [channels, n] with 1 channel(s)"),
    (np.zeros((9, 1)), "input of shape (9, 1); give [n] or [channels, n] with 1 channel(s): x.T"),
    (np.zeros((0, 9)), "input of shape (0, 9); give [n] or [channels, n] with 1 channel(s)"),
]


@pytest.mark.parametrize("where", ["process", "interpret"])
def test_all_else_is_refused_in_words(takers: dict[str, Taker], where: str) -> None:
    for x, words in REFUSED:
        with pytest.raises(UserError) as refusal:
            takers[where](x)
        assert str(refusal.value) == f"{where}: {words}"
    for x in ([[0.5], [0.5, 0.5]], Odd()):
        with pytest.raises(UserError, match=rf"^{where}: .* is no array of samples \(.*\); give rows of equal length$"):
            takers[where](x)


def test_no_samples_give_no_samples() -> None:
    for inputs, outputs in ((1, 1), (2, 1), (1, 2)):
        for cores in (1, 2):
            with small_processor(inputs, outputs, cores=cores) as processor:
                wide = processor.process(np.zeros((inputs, 0)))
                assert wide.shape == (outputs, 0) and wide.dtype == np.float32
                processor.process(np.zeros((inputs, 0)), np.empty((outputs, 0), np.float32))
    assert small_processor().process([]).shape == (0,)
    assert schedc.interpret(NANO, [], "float32").shape == (0,)


def read_only(shape: tuple[int, ...]) -> list[npt.NDArray[np.float32]]:
    size = int(np.prod(shape))
    frozen = np.zeros(shape, np.float32)
    frozen.flags.writeable = False
    mapping = mmap.mmap(-1, 4 * size, access=mmap.ACCESS_READ)
    return [
        np.frombuffer(bytes(4 * size), np.float32).reshape(shape),
        np.frombuffer(mapping, np.float32).reshape(shape),
        np.broadcast_to(np.float32(0), shape),
        frozen,
    ]


def test_read_only_memory_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "samples").write_bytes(bytes(400))
    processor = small_processor()
    mapped: npt.NDArray[np.float32] = np.memmap(tmp_path / "samples", np.float32, "r")
    for out in (*read_only((100,)), mapped):
        with pytest.raises(UserError) as refusal:
            processor.process(NOISE, out)
        assert str(refusal.value) == "process: out is read-only; give writable, C-order float32 of shape (100,)"
        assert not out.any()
    assert processor.process(NOISE).tobytes() == small_processor().process(NOISE).tobytes()  # nothing was played


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ([0.0] * 100, "of type list"),
        (bytearray(400), "of type bytearray"),
        (np.ma.zeros(100, np.float32), "of type MaskedArray"),
        (np.zeros(100), "float64 of shape (100,)"),
        (np.zeros(100, ">f4"), ">f4 of shape (100,)"),
        (np.zeros(99, np.float32), "float32 of shape (99,)"),
        (np.zeros((1, 100), np.float32), "float32 of shape (1, 100)"),
        (np.zeros(200, np.float32)[::2], "not in C order"),
        (np.zeros(100, np.float32)[::-1], "not in C order"),
        (np.frombuffer(bytearray(401), np.uint8)[1:].view(np.float32), "not at a multiple of 4 bytes"),
    ],
)
def test_what_out_may_not_be(out: Any, words: str) -> None:
    processor = small_processor()
    with pytest.raises(UserError) as refusal:
        processor.process(NOISE, out)
    assert str(refusal.value) == f"process: out is {words}; give writable, C-order float32 of shape (100,)"


def test_writable_memory_of_any_origin_is_taken(tmp_path: Path) -> None:
    wanted = small_processor().process(NOISE)
    (tmp_path / "samples").write_bytes(bytes(400))
    for mode in ("r+", "c"):
        out: Any = np.memmap(tmp_path / "samples", np.float32, mode)
        assert np.array_equal(small_processor().process(NOISE, out), wanted) and np.array_equal(out, wanted)
    out = np.frombuffer(bytearray(400), np.float32)
    small_processor().process(NOISE, out)
    assert np.array_equal(out, wanted)


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 2), (1, 2), (2, 1)])
def test_input_and_output_may_overlap_in_any_way(inputs: int, outputs: int, cores: int) -> None:
    """Both are windows of one array: the answer is the one to the samples as they were before the call."""
    n = 70
    given = np.random.default_rng(4).normal(0.0, 0.3, 4 * n).astype(np.float32)
    with small_processor(inputs, outputs, cores=cores) as processor:
        for shift in (0, 1, -1, 16, -16, n - 1, n, 17 - n):
            memory = given.copy()
            x = memory[n : n + inputs * n].reshape(inputs, n)
            out = memory[n + shift : n + shift + outputs * n].reshape(outputs, n)
            processor.reset()
            wanted = processor.process(x.copy())
            processor.reset()
            assert np.array_equal(processor.process(x, out), wanted), shift
            assert np.array_equal(out, wanted), shift


def test_rows_of_the_output_may_be_the_input() -> None:
    both = np.random.default_rng(4).normal(0.0, 0.3, (2, 50)).astype(np.float32)
    wanted = small_processor(1, 2).process(both[1].copy())
    assert np.array_equal(small_processor(1, 2).process(both[1], both), wanted)


def test_finite_is_told_from_what_is_not() -> None:
    """At every place, in rows longer than what is added up at once, and with sums that overflow."""
    big = np.full((2, 10_000), 3e38, np.float32)
    assert all_finite(np.zeros((1, 0), np.float32))
    with np.errstate(over="ignore"):
        assert all_finite(big)
    for channel, at in ((0, 0), (0, 9_999), (1, 0), (1, 8_191), (1, 9_999)):
        for value in (np.nan, -np.nan, np.inf, -np.inf):
            x = np.zeros((2, 10_000), np.float32)
            x[channel, at] = value
            assert not all_finite(x)


@pytest.mark.parametrize("mode", ["warn", "raise"])
def test_numpys_own_errors_are_no_answer(mode: Any) -> None:
    """Warnings are errors in these tests; a user may have asked NumPy to raise."""
    both = np.array([[np.inf, -np.inf]], np.float32)
    big = np.full((1, 100), 3e38, np.float32)
    with np.errstate(all=mode):
        assert not all_finite(both)
        assert all_finite(big)
        processor = small_processor()
        assert processor.process(np.full(100, 1e-30)).shape == (100,)
        with pytest.warns(schedc.SchedcWarning):
            processor.process(np.array([1e300, 1.0]))
        signalling = np.array([0x7F800001], np.uint32).view(np.float32)
        assert not all_finite(signalling[None])
        assert np.isnan(samples("here", signalling, 1, np.dtype(np.float64))[0]).all()
