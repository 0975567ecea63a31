"""``python -m schedc``."""

from __future__ import annotations

import sys

from schedc.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
