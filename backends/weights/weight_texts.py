"""The weight blob as sources: a C array for any compiler, a file for assemblers that includes the binary one."""

from __future__ import annotations

from schedc.backends.objects.object_format import ObjectFormat, Visibility

_C = """\
/* The weight blob of {name}; see {name}.h. C or C++. */
#if defined(__GNUC__)
#define SCHEDC_ALIGNED __attribute__((aligned(64)))
#elif defined(_MSC_VER)
#define SCHEDC_ALIGNED __declspec(align(64))
#else
#define SCHEDC_ALIGNED
#endif
#ifdef __cplusplus
extern "C" {{
#endif
{hidden}SCHEDC_ALIGNED extern const unsigned char {name}_weights[{size}];
SCHEDC_ALIGNED const unsigned char {name}_weights[{size}] = {{
{rows}
}};
#ifdef __cplusplus
}}
#endif
#undef SCHEDC_ALIGNED
"""
_HIDDEN_C = """\
#if defined(__GNUC__) && !defined(_WIN32) && !defined(__CYGWIN__)
__attribute__((visibility("hidden")))
#endif
"""


def weights_as_c(name: str, weights: bytes, visibility: Visibility = Visibility.HIDDEN) -> str:
    """The blob as an array, for toolchains without ``.incbin``."""
    lines = (weights[i : i + 16] for i in range(0, len(weights), 16))
    rows = ",\n".join("  " + ", ".join(f"0x{byte:02x}" for byte in line) for line in lines)
    hidden = _HIDDEN_C * (visibility is Visibility.HIDDEN)
    return _C.format(name=name, size=len(weights), rows=rows, hidden=hidden)


_S = """\
/* The weight blob of {name}; assemble with -I pointing at {name}_weights.bin. */
    .section {section}
    .balign 64
    .global {symbol}
{facts}{symbol}:
    .incbin "{name}_weights.bin"
{end}"""
# GNU ld takes a file that does not say so for one that needs an executable stack, and it warns when only some do not
# say it.  GCC for M-profile cores never says it, compilers for Linux always do.
_END_ELF = """\
    .size {symbol}, . - {symbol}
#if !defined(__ARM_ARCH_PROFILE) || __ARM_ARCH_PROFILE != 'M'
    .section .note.GNU-stack, "", %progbits
#endif
"""
_SECTIONS = {
    ObjectFormat.ELF: '.rodata.{symbol}, "a", %progbits',
    ObjectFormat.COFF: '.rdata, "dr"',
    ObjectFormat.MACHO: "__TEXT, __const",
}


def weights_as_assembly(
    name: str, object_format: ObjectFormat = ObjectFormat.ELF, visibility: Visibility = Visibility.HIDDEN
) -> str:
    """A file for the assembler of GNU or Clang that includes ``NAME_weights.bin``."""
    symbol = f"_{name}_weights" if object_format is ObjectFormat.MACHO else f"{name}_weights"
    facts = end = ""
    hidden = visibility is Visibility.HIDDEN
    if object_format is ObjectFormat.ELF:
        facts = f"    .type {symbol}, %object\n" + f"    .hidden {symbol}\n" * hidden
        end = _END_ELF.format(symbol=symbol)
    elif object_format is ObjectFormat.MACHO:
        facts = f"    .private_extern {symbol}\n" * hidden
    section = _SECTIONS[object_format].format(symbol=symbol)
    return _S.format(name=name, symbol=symbol, section=section, facts=facts, end=end)
