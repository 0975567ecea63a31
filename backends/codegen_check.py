"""Whether LLVM knows what a target of somebody's own asks of it, and can make code that is closed."""

from __future__ import annotations

import difflib
import functools
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

from schedc.errors import UserError
from schedc.targets.base import Target, load_target
from schedc.targets.names import TARGET_NAMES

_PROBE = "from schedc.backends.llvm.codegen_probe import main; main()"
_LISTS = ("Available CPUs for this target:", "Available features for this target:")
_FUSED = ("fmaf", "fma")  # what C libraries call a fused multiply-accumulate


def check_codegen(target: Target) -> None:
    """UserError, naming file and key, for a processor, features or vectors that code cannot be made for.

    Tried in a process of its own, once; what a target of schedc's has is known to do.
    """
    asked = (target.codegen, target.vectors.lanes, target.mac, target.subnormals)
    known = (load_target(name) for name in TARGET_NAMES)
    if any(asked == (one.codegen, one.vectors.lanes, one.mac, one.subnormals) for one in known):
        return
    words, symbol = _probe(pickle.dumps(replace(target, facts={}, pipeline=None, name="", full_name="")))
    place = f"{target.file}: codegen"
    processors, features = (_listed(words, title) for title in _LISTS)
    for key, name in (("cpu", target.codegen.cpu), ("tune", target.codegen.tune)):
        if name and processors and name not in processors:
            raise _unknown(f"{place}.{key}", name, processors, f"a processor of {target.codegen.triple}")
    for feature in filter(None, target.codegen.features.split(",")):
        if features and feature[1:] not in features:
            raise _unknown(f"{place}.features", feature[1:], features, f"a feature of {target.codegen.triple}")
    if symbol is None:
        said = next((line for line in reversed(words) if line.strip()), "nothing")
        raise UserError(place, f"LLVM cannot make code for this: {said}", "try fewer features, or based_on: alone")
    if symbol:
        raise not_closed(target, symbol)


def not_closed(target: Target, symbol: str) -> UserError:
    """The error for code that would call ``symbol``."""
    what = f"code would call {symbol}, for which {target.codegen.cpu} with these features has no instruction"
    if symbol in _FUSED:
        return UserError(f"{target.file}: codegen.features", what, "add the feature that has it, or mac: [unfused]")
    return UserError(f"{target.file}: codegen.features", what, "add the floating-point unit's")


@functools.cache
def _probe(target: bytes) -> tuple[list[str], str | None]:
    """What LLVM said, and the name that code would call: "" if none, None if LLVM gave up."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-P", "-c", _PROBE]
    done = subprocess.run(command, input=target, capture_output=True, env=environment, check=False)
    words = done.stderr.decode("utf-8", "replace").splitlines()
    return words, None if done.returncode else done.stdout.decode().strip()


def _listed(words: Sequence[str], title: str) -> list[str]:
    """The names of one of LLVM's lists."""
    if title not in words:
        return []
    names = []
    for line in words[words.index(title) + 2 :]:
        if not line.startswith("  "):
            break
        names.append(line.split()[0])
    return names


def _unknown(where: str, name: str, known: Sequence[str], what: str) -> UserError:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "see llc -mcpu=help for what there is"
    return UserError(where, f"LLVM does not know {name!r} as {what}", hint)
