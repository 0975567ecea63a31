"""Which description a processor gets, from the words of /proc/cpuinfo."""

from __future__ import annotations

import pytest

from schedc.targets.host import x86_target

AVX512 = "fpu avx2 fma avx512f avx512vl"


@pytest.mark.parametrize(
    ("vendor", "family", "flags", "target"),
    [
        ("GenuineIntel", "6", AVX512, "avx512"),
        ("AuthenticAMD", "25", AVX512, "zen4"),
        ("AuthenticAMD", "26", AVX512, "avx512"),
        ("AuthenticAMD", "25", "fpu avx2 fma", "avx2"),
        ("GenuineIntel", "6", "fpu avx2", None),
        ("", "", "", None),
    ],
)
def test_by_vendor_family_and_flags(vendor: str, family: str, flags: str, target: str | None) -> None:
    assert x86_target({"vendor_id": vendor, "cpu family": family, "flags": flags}) == target
