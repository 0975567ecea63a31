"""What a compilation leaves behind: object, weights, header, report, and how they are written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schedc.backends.c.pipeline_header import RUNTIME_NAME
from schedc.backends.objects.object_format import ObjectFormat, Visibility
from schedc.backends.weights.weight_texts import weights_as_assembly, weights_as_c
from schedc.errors import UserError, one_line, tell
from schedc.files.outputs import check_kind, check_separate
from schedc.files.partial import put_files, sweep
from schedc.files.paths import AnyPath, path_text
from schedc.output_folder import Origin, check_replaced
from schedc.reports.schema import Report


@dataclass(frozen=True)
class Artifact:
    """The results of :func:`schedc.compile`.

    ``code``: the object, a file of ``object_format``; ``weights``: the blob of the capture; ``header``: C99;
    ``report``: JSON-ready facts (:mod:`schedc.reports.schema`); ``extras``: further texts by file ending (".ll", ".s",
    ...); ``shared``: texts by whole file name, the same for every capture.  ``visibility``: of the symbols.
    ``sources``: the files that were read for all this; ``named``: its name was asked for, not derived from theirs.
    """

    name: str
    code: bytes
    weights: bytes
    header: str
    report: Report
    extras: Mapping[str, str] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)
    object_format: ObjectFormat = ObjectFormat.ELF
    visibility: Visibility = Visibility.HIDDEN
    sources: tuple[Path, ...] = ()
    named: bool = True

    @property
    def origins(self) -> list[Origin]:
        """The captures' files, as the report states them."""
        report: Any = self.report
        return [Origin(**one) for one in report["captures"]]

    def __repr__(self) -> str:
        sizes = f"object of {len(self.code):,} bytes ({self.object_format}), weights of {len(self.weights):,} bytes"
        return f"<Artifact {self.name}: {sizes}, for {self.report.get('target')}>"

    def files(self) -> dict[str, bytes]:
        """File name -> content of everything ``write`` writes."""
        texts = {
            f"{self.name}.h": self.header,
            f"{self.name}.json": json.dumps(self.report, indent=2) + "\n",
            f"{self.name}_weights.c": weights_as_c(self.name, self.weights, self.visibility),
            f"{self.name}_weights.S": weights_as_assembly(self.name, self.object_format, self.visibility),
            **{f"{self.name}{ending}": text for ending, text in self.extras.items()},
            **self.shared,
        }
        return {
            f"{self.name}{self.object_format.ending}": self.code,
            f"{self.name}_weights.bin": self.weights,
            **{name: text.encode() for name, text in texts.items()},
        }

    def write(self, folder: AnyPath) -> list[Path]:
        """Write all files into ``folder`` (made if missing); all of them or none.

        Raises UserError if the folder cannot be written, or if files of another capture would be lost there, and
        warns of what is replaced where the name was asked for.
        """
        place = Path(path_text("folder", folder))
        files = self.files()
        try:
            tell(check_replaced(place, self.name, files, self.origins, self.named))
            return write_files(place, files, self.sources)
        except (OSError, ValueError) as error:  # ValueError: a NUL, or what has no encoding
            reason = one_line(getattr(error, "strerror", None) or str(error))
            raise UserError(one_line(str(place)), f"cannot be written: {reason}", "choose another place") from error


def file_names(name: str, object_format: ObjectFormat, stages: int, with_texts: bool) -> list[str]:
    """What :meth:`Artifact.files` will be called."""
    endings = [object_format.ending, "_weights.bin", ".h", ".json", "_weights.c", "_weights.S"]
    endings += [".ll", ".s"] * with_texts + ["_pipeline.h"] * (stages > 1)
    return [*(f"{name}{ending}" for ending in endings), *[RUNTIME_NAME] * (stages > 1)]


def write_files(
    folder: Path, files: Mapping[str, bytes], inputs: Iterable[Path] = (), swept: bool = False
) -> list[Path]:
    """Write files so that a failure leaves nothing; what a killed run has left in the folder goes, unless ``swept``.

    None of them may be one of ``inputs``, nor replace what is no regular file.
    """
    outputs = [folder / name for name in files]
    check_separate(outputs, inputs)
    for path in outputs:
        check_kind(path, one_line(str(path)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not swept:
            sweep(folder)
        put_files(folder, files)
    except OSError as error:
        raise UserError(str(folder), f"cannot be written: {error.strerror or error}", "choose another place") from error
    return outputs
