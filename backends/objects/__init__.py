"""Objects as files: ELF, COFF and Mach-O."""
