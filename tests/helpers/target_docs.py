"""The table of docs/targets.md, from the keys that the loader holds files to."""

from __future__ import annotations

from collections.abc import Iterator

from schedc.targets.keys import DESCRIPTION, PIPELINE_KINDS, PIPELINE_OPTIONS, Key, Table
from schedc.targets.names import TARGET_NAMES

_NEEDED = {
    "always": "needed",
    "in order": "needed where `in_order`",
    "out of order": "needed where not `in_order`",
    "mac fused": "needed with `mac: [fused]`",
    "mac unfused": "needed with `mac: [unfused]`",
}


def key_table() -> str:
    """Markdown: a row for each key but the pipeline's, which are many and alike."""
    rows = ["| key | value | left out | meaning |", "| --- | --- | --- | --- |"]
    rows += [f"| `{path}` | {_value(key)} | {_left_out(key)} | {key.meaning} |" for path, key in _keys(DESCRIPTION)]
    return "\n".join(rows) + "\n"


def pipeline_table() -> str:
    """Markdown: what each model of a pipeline needs."""
    rows = ["| model | kinds | options |", "| --- | --- | --- |"]
    for model, kinds in PIPELINE_KINDS.items():
        options = ", ".join(f"`{name}`" for name in PIPELINE_OPTIONS[model])
        rows.append(f"| `{model}` | {', '.join(f'`{kind}`' for kind in kinds)} | {options} |")
    return "\n".join(rows) + "\n"


def _keys(table: Table, path: str = "") -> Iterator[tuple[str, Key]]:
    for name, inner in table.items():
        place = f"{path}.{name}" if path else name
        if isinstance(inner, Key):
            yield place, inner
        elif place not in ("pipeline.kinds", "pipeline.options"):
            yield from _keys(inner, place)


def _value(key: Key) -> str:
    if key.words == TARGET_NAMES:
        return "a name that `schedc targets` lists"
    if key.words:
        words = ", ".join(f"`{word}`" for word in key.words if word)
        return f"a list of {words}" if key.kind == "words" else words
    if key.kind in ("text", "flag"):
        return {"text": "text", "flag": "`true`, `false`"}[key.kind]
    bounds = f"{key.least:,.15g} to {key.most:,.15g}{f' {key.unit}' if key.unit else ''}"
    return f"a fact, {bounds}" if key.kind == "fact" else bounds


def _left_out(key: Key) -> str:
    if key.default == float("inf"):
        return "no bound"
    if key.default is not None:
        return f"`{key.default!r}`".replace("'", '"')
    return _NEEDED.get(key.needed, "nothing is meant")
