"""``schedc cache``: what is kept of compiled code, and away with it."""

from __future__ import annotations

from schedc.cache.code_cache import ENVIRONMENT, default_cache
from schedc.commands.console import bytes_text, count, say
from schedc.frontend.wording import one_line


def show_cache() -> None:
    info = default_cache().info()
    if info.folder is None:
        say(f"off ({ENVIRONMENT}=off)")
        return
    say(f"folder   {one_line(str(info.folder))}")
    if info.fault:
        say(f"not used {one_line(info.fault)}")
    say(f"entries  {count(info.entries, 'entry', 'entries')}, {bytes_text(info.total_bytes)}")
    say(f"at most  {bytes_text(info.most_bytes)}; the least recently used go first")


def clear_cache() -> None:
    say(f"deleted {count(default_cache().clear(), 'entry', 'entries')}")
