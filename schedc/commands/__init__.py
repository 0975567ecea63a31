"""What the commands do and print, one file each; `schedc.cli.main` declares them and maps errors to exit codes."""
