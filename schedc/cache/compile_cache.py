"""Compilations whose code comes from the cache on disk: planning is done every time, LLVM once an architecture."""

from __future__ import annotations

from dataclasses import replace

from schedc.backends.llvm.module import ObjectCode
from schedc.backends.objects.elf import rename_exports
from schedc.backends.objects.object_format import ObjectFormat
from schedc.cache.code_cache import default_cache
from schedc.cache.keys import cache_key
from schedc.cache.tuned import with_tuned
from schedc.compiler import Compilation, emit_plan, with_code
from schedc.ir.graph import Graph
from schedc.options import Options
from schedc.planning import plan_graph

_ANY_NAME = "code"  # what functions are called in the cache: captures differ in names only


def compile_cached(graph: Graph, options: Options, name: str = "capture") -> Compilation:
    """As :func:`schedc.compiler.compile_graph`, with the same bytes; no texts of the code are kept.

    An entry is ELF whatever container is asked for, so formats share it where their code is the same.
    """
    plan = plan_graph(graph, with_tuned(graph, options))
    options = replace(plan.options, object_format=ObjectFormat.ELF)
    key = cache_key("object", repr(options), repr(plan.options.convention), plan.layout.digest.hex())
    cache = default_cache()
    elf = cache.get(key)
    if elf is None:
        elf = emit_plan(plan, _ANY_NAME).elf
        cache.put(key, elf)
    return with_code(plan, ObjectCode(rename_exports(elf, _ANY_NAME, name), "", ""), name)
