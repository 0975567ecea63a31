"""Schedules that `schedc bench --tune` found to be the fastest on this machine, kept beside the code cache.

They are used where nothing else is forced: same model shape, target, block, contract and cores, on the same kind of
processor (a home folder may be shared by machines).
"""

from __future__ import annotations

from dataclasses import replace

from schedc.backends.float_mode import FpMode
from schedc.backends.objects.object_format import ObjectFormat, Visibility
from schedc.backends.this_machine import processor_kind
from schedc.cache.code_cache import default_cache
from schedc.cache.keys import cache_key
from schedc.errors import UserError
from schedc.ir.graph import Graph
from schedc.options import Options
from schedc.schedule import ScheduleOverrides
from schedc.schedule_file import parse_schedule, schedule_text

_WHERE = "the tuned schedule in the cache"


def keep_tuned(graph: Graph, options: Options, found: ScheduleOverrides) -> bool:
    """Keep ``found`` for later compilations with these options; False if the cache is off."""
    return default_cache().put(_key(graph, options), schedule_text(found).encode())


def with_tuned(graph: Graph, options: Options) -> Options:
    """The options, with the schedule that was measured for them if there is one and none is forced."""
    if options.schedule != ScheduleOverrides():
        return options
    stored = default_cache().get(_key(graph, options))
    if stored is None:
        return options
    try:
        return replace(options, schedule=parse_schedule(stored, _WHERE), tuned=True)
    except UserError:  # written by other code: measure again
        return options


def _key(graph: Graph, options: Options) -> str:
    general = replace(
        options,
        schedule=ScheduleOverrides(),
        tuned=False,
        object_format=ObjectFormat.ELF,
        fp_mode=FpMode.OWN,
        visibility=Visibility.HIDDEN,
    )
    return cache_key("tuned", processor_kind(), repr(general), graph.digest())
