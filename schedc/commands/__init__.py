"""What the commands do and print, one file each; `schedc.cli` declares them and maps errors to exit codes."""
