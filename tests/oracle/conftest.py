"""The second oracle: the public trainer, in PyTorch. Not part of the ordinary run.

These modules are collected where PyTorch and the trainer are installed. `make oracle` installs them
and sets SCHEDC_ORACLE=1, which collects the modules whatever is installed: there a missing trainer is
an error, not an omission.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # where the modules here find oracle_harness

collect_ignore_glob: list[str] = []

if os.environ.get("SCHEDC_ORACLE") != "1" and (find_spec("torch") is None or find_spec("nam") is None):
    collect_ignore_glob.append("test_*.py")
