"""How much a `.nam` file may ask for.

A file is only numbers in JSON: a few bytes can claim a kernel of a billion taps.  Everything is
therefore counted against these limits before memory is taken.  They are far above any capture in
the field (docs/nam_format.md#standard-shapes).  Also in docs/nam_format.md#limits.
"""

from __future__ import annotations

MAX_FILE_BYTES = 64 * 2**20
MAX_JSON_DEPTH = 100  # 8 nested documents need about 50
MAX_JSON_STRUCTURES = 2**18  # objects, arrays and strings; a capture has some hundreds
MAX_JSON_VALUES = 2**24  # commas, hence numbers; bounds the parsed list at about 0.5 GiB

MAX_DOCUMENT_DEPTH = 8
MAX_LAYERS = 4096  # over all nested documents; a document counts as one more
MAX_WEIGHTS = 2**24
MAX_HISTORY_FLOATS = 2**26
MAX_CHANNELS = 2**16
MAX_SIZE = 2**31 - 1  # any other integer (kernels, dilations, a receptive field)
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1.0, 1e7  # Hz
MAX_WARNINGS = 50
