"""Back ends: the interpreter, the LLVM lowering, weight blob, C header, emulator."""
