"""Which code a processor executes: all that the code may use is asked for, by Linux's words and by LLVM alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
from helpers.captures import EXAMPLES

import schedc
from schedc.backends import this_machine
from schedc.backends.llvm import host_processor
from schedc.backends.llvm.stage_runner import runner_object
from schedc.backends.this_machine import can_run_here, host_target_name, processor_kind
from schedc.compiler import compile_graph
from schedc.errors import UnsupportedError
from schedc.frontend.capture import read_capture
from schedc.host import code as code_here
from schedc.host.code import load_compilation
from schedc.host.quick_silence import cell_code
from schedc.options import make_options
from schedc.targets.base import Codegen, Target, load_target
from schedc.targets.host import _FLAGS, Facts, architecture, candidates, processor_facts, quick_executes
from schedc.targets.names import TARGET_NAMES

LSTM = next(path for path in EXAMPLES if path.stem == "lstm_1x16")
ON_X86 = pytest.mark.skipif(architecture() != "x86_64", reason="LLVM lists the features of its own kind of machine")


def features(name: str) -> list[str]:
    return [word[1:] for word in load_target(name).codegen.features.split(",") if word.startswith("+")]


def flags(name: str) -> list[str]:
    """What Linux says of a processor that has what ``name`` wants and no more."""
    return [_FLAGS[feature] for feature in features(name)]


def x86_target(facts: Facts) -> str | None:
    """The description for a processor of which Linux says this."""
    names = candidates("x86_64", facts)
    return next((name for name in names if quick_executes(load_target(name).codegen, facts)), None)


@pytest.mark.parametrize(
    ("vendor", "family", "flags", "target"),
    [
        ("GenuineIntel", "6", flags("avx512"), "avx512"),
        ("AuthenticAMD", "25", flags("avx512"), "zen4"),
        ("AuthenticAMD", "26", flags("avx512"), "avx512"),
        ("AuthenticAMD", "25", flags("avx2"), "avx2"),
        ("GenuineIntel", "6", ["fpu", "avx2", "fma", "avx512f", "avx512vl"], None),
        ("", "", [], None),
    ],
)
def test_by_vendor_family_and_flags(vendor: str, family: str, flags: list[str], target: str | None) -> None:
    assert x86_target({"vendor_id": vendor, "cpu family": family, "flags": " ".join(flags)}) == target


@pytest.mark.parametrize("lacking", flags("avx512"))
def test_each_feature_is_asked_for(lacking: str) -> None:
    found = x86_target({"flags": " ".join(flag for flag in flags("avx512") if flag != lacking)})
    assert found == (None if lacking in flags("avx2") else "avx2")


def with_codegen(target: Target, cpu: str, features: str) -> Target:
    return replace(target, codegen=replace(target.codegen, cpu=cpu, features=features))


def same_without(target: Target, lacking: list[str]) -> bool:
    """Whether captures' code and the host pipeline come out the same where ``lacking`` may not be used."""
    without = ",".join([target.codegen.features, *(f"-{name}" for name in lacking)])
    poor = with_codegen(target, target.codegen.cpu, without)
    graph, options = read_capture(LSTM).graph, make_options(target.name, 1)
    codes = [compile_graph(graph, replace(options, target=kind)).code.elf for kind in (target, poor)]
    return codes[0] == codes[1] and runner_object(target) == runner_object(poor)


@ON_X86
@pytest.mark.parametrize("name", ["avx2", "avx512", "zen4"])
def test_code_uses_no_feature_that_is_not_asked_for(name: str) -> None:
    baseline = {"64bit", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2", "crc32"}  # LLVM's x86-64; crc32 is of sse4.2
    target = load_target(name)
    unlisted = sorted(set(llvm.get_host_cpu_features()) - set(features(name)) - baseline)
    assert len(unlisted) > 50
    assert same_without(target, unlisted)
    assert not same_without(target, ["avx2"])  # the check has teeth


@pytest.mark.parametrize("name", ["aarch64", "a72", "a53"])
def test_code_for_aarch64_runs_on_the_first_of_them(name: str) -> None:
    """Cortex-A53 and A72 are Armv8.0: atomics of later ones, which the host pipeline could use, end in SIGILL there."""
    later = ["v8.1a", "v8.2a", "lse", "rcpc", "fullfp16", "dotprod", "rdm", "crc", "aes", "sha2", "ras", "ssbs", "pan"]
    assert same_without(load_target(name), later)
    assert not same_without(with_codegen(load_target(name), "cortex-a76", ""), later)


def test_linux_and_llvm_agree_on_this_machine() -> None:
    assert can_run_here(load_target(host_target_name()))
    for name in TARGET_NAMES:
        target = load_target(name)
        if target.instruction_set.name != architecture():
            assert not can_run_here(target)
            continue
        assert can_run_here(target) == host_processor.executes(target.codegen)
        assert quick_executes(target.codegen, processor_facts()) in (None, can_run_here(target))


@ON_X86
def test_llvm_is_asked_what_a_processors_name_stands_for() -> None:
    def here(cpu: str, more: str = "") -> bool:
        return can_run_here(with_codegen(load_target("avx2"), cpu, more))

    absent = sorted(name for name, there in llvm.get_host_cpu_features().items() if not there and name != "64bit")
    assert here("x86-64")
    assert here("x86-64-v3") == can_run_here(load_target("avx2"))
    assert here("x86-64-v4") == can_run_here(load_target("avx512"))
    assert absent and not any(here("x86-64", f"+{name}") for name in absent[:3])
    assert not (here("sapphirerapids") and here("znver4"))  # no processor has what both have


Processor = Callable[[Facts], None]


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Processor]:
    """``processor(facts)``: this machine gets another processor; all of them share a cache folder."""
    cached = (this_machine._executes, this_machine.host_target_name, this_machine.processor_kind, cell_code)

    def put_in(facts: Mapping[str, str]) -> None:
        monkeypatch.setattr(this_machine, "processor_facts", lambda: facts)
        monkeypatch.setattr(code_here, "_programs", type(code_here._programs)())
        for function in cached:
            function.cache_clear()

    monkeypatch.setenv("SCHEDC_CACHE", str(tmp_path / "shared"))
    yield put_in
    for function in cached:
        function.cache_clear()


@ON_X86
def test_machines_that_share_a_home_keep_their_code_apart(processor: Processor, tmp_path: Path) -> None:
    x = np.ones(100, np.float32)
    wide = {"vendor_id": "GenuineIntel", "cpu family": "6", "model": "85", "flags": " ".join(flags("avx512"))}
    narrow = {**wide, "model": "60", "flags": " ".join(flags("avx2"))}
    entries, takes = [], []
    others = (narrow, {**narrow, "model": "61"}, wide, narrow)
    for facts in [facts for facts in others if can_run_here(load_target(x86_target(facts) or ""))]:
        processor(facts)
        takes.append(schedc.load(LSTM).process(x).tobytes())
        entries.append(len(list((tmp_path / "shared").iterdir())))
    # The capture's code for each processor, and for each target what its silence runs through.
    assert entries in ([2, 3, 5, 5], [2, 3, 3])  # the second where there is no AVX-512
    assert len(set(takes)) == 1


@ON_X86
def test_code_of_a_better_processor_is_not_run(processor: Processor) -> None:
    compilation = compile_graph(read_capture(LSTM).graph, make_options("avx512"))
    processor({"flags": " ".join(flags("avx2"))})
    assert host_target_name() == "avx2"
    with pytest.raises(UnsupportedError) as refusal:
        load_compilation(compilation)
    assert str(refusal.value) == (
        "avx512: this machine's processor does not execute all that its code may use; use the target host"
    )


@ON_X86
def test_a_processor_that_no_description_fits(processor: Processor) -> None:
    processor({"flags": "fpu sse2 pni avx2 fma"})
    with pytest.raises(UnsupportedError) as refusal:
        host_target_name()
    assert str(refusal.value) == (
        "this machine: does not execute all of avx512 or avx2 code (x86_64); compile for another target instead"
    )


def test_the_kind_of_processor_is_all_that_tells_them_apart(processor: Processor) -> None:
    kinds = set()
    for facts in ({"model": "1", "flags": "a b"}, {"model": "2", "flags": "a b"}, {"model": "1", "flags": "a c"}):
        processor(facts)
        kinds.add(processor_kind())
    assert len(kinds) == 3
    processor({})  # no Linux: LLVM tells
    assert llvm.get_host_cpu_name() in processor_kind()


def test_a_name_that_llvm_reads_alone_is_left_to_it() -> None:
    code = load_target("avx2").codegen
    facts = {"flags": " ".join(flags("avx512"))}
    assert quick_executes(code, facts) is True
    for asked in (replace(code, cpu="haswell"), replace(code, features="+avx2,+amx-tile")):
        assert isinstance(asked, Codegen) and quick_executes(asked, facts) is None
    assert quick_executes(code, {}) is None
