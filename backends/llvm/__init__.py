"""Lowering of scheduled kernels to LLVM IR and machine code."""
