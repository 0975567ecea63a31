"""Samples that callers hand over: the one check of them, for everything that takes some."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from schedc.errors import UserError
from schedc.wording import shown

Rows = npt.NDArray[Any]  # [channels, n]

_PIECE = 4096  # samples that are looked at at once: the more, the more memory it takes
_FLOAT32 = np.dtype(np.float32)


def samples(where: str, x: npt.ArrayLike, channels: int, kind: np.dtype[Any] = _FLOAT32) -> tuple[Rows, bool]:
    """``x``, [n] (one channel) or [channels, n], as rows of ``kind``, aligned and in C order; and whether it was [n].

    Not copied if it is that already.  Floats of any size and byte order are taken, in arrays of any strides and in
    lists.  Raises UserError, which names ``where``, for anything else: integers have no full scale that could be known.
    """
    given = _array(where, x)
    if given.dtype.kind != "f":
        raise UserError(where, *_no_floats(given.dtype))
    rows = given[None] if given.ndim == 1 else given
    if rows.ndim != 2 or rows.shape[0] != channels:
        wanted = f"give [n] or [channels, n] with {channels} channel(s)"
        turned = given.ndim == 2 and given.shape[1] == channels
        raise UserError(where, f"input of shape {given.shape}", f"{wanted}: x.T" if turned else wanted)
    if rows.dtype != kind:
        with np.errstate(all="ignore"):  # what is too large becomes infinite; some NaN signal
            rows = rows.astype(kind, order="C")
    flags = rows.flags
    return rows if flags.c_contiguous and flags.aligned else rows.copy(), given.ndim == 1


def place(where: str, out: object, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """``out``, if results of ``shape`` can be put there; else UserError, which names ``where``."""
    fault = _fault(out, shape)
    if fault or not isinstance(out, np.ndarray):
        raise UserError(where, f"out is {fault}", f"give writable, C-order float32 of shape {shape}")
    return np.asarray(out)


def apart(rows: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """``rows``, or a copy if writing to ``out`` would change samples that are still to be read."""
    if not np.may_share_memory(rows, out):
        return rows
    in_place = rows.shape == out.shape and rows.ctypes.data == out.ctypes.data
    return rows if in_place else rows.copy()


def all_finite(rows: npt.NDArray[np.float32]) -> bool:
    """Whether there is no NaN and no infinity in C-order ``rows``."""
    flat = rows.reshape(-1)
    for begin in range(0, flat.size, _PIECE):
        if b"\0" in np.isfinite(flat[begin : begin + _PIECE]).tobytes():  # for a block in half the time of .all()
            return False
    return True


def _array(where: str, x: npt.ArrayLike) -> npt.NDArray[Any]:
    if type(x) is np.ndarray:
        return x
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise UserError(where, "some samples are masked", "fill them: x.filled(0)")
    try:
        return np.asarray(x)
    except Exception as error:  # an object may come with any code that makes an array of it
        what = f"{shown(x)} is no array of samples ({shown(error)})"
        raise UserError(where, what, "give rows of equal length") from error


def _no_floats(kind: np.dtype[Any]) -> tuple[str, str]:
    """What is wrong with samples of ``kind``, and what to do about it."""
    fault, remedy = f"samples of type {kind}", "give floats, full scale 1.0"
    if kind.kind not in "iu":
        return fault, remedy
    half = 2 ** (8 * kind.itemsize - 1)
    scaled = f"x / {half}.0" if kind.kind == "i" else f"x / {half}.0 - 1"
    if kind.itemsize == 8:  # what Python's integers become
        return fault, f"{remedy}: divide by what full scale is"
    return fault, f"{remedy}: {scaled}" + (" (24 bits: x / 8388608.0)" if kind.kind == "i" and half == 2**31 else "")


def _fault(out: object, shape: tuple[int, ...]) -> str:
    """What keeps ``out`` from taking float32 of ``shape``, in words; empty if nothing does."""
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        return f"of type {type(out).__name__}"
    if out.shape != shape or out.dtype != _FLOAT32:
        return f"{out.dtype} of shape {out.shape}"
    flags = out.flags
    if not flags.writeable:
        return "read-only"
    if not flags.c_contiguous:
        return "not in C order"
    return "" if flags.aligned else "not at a multiple of 4 bytes"
