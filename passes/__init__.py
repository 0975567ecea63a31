"""The passes, one file each; `schedc.compiler` says in which order they run."""
