"""``schedc cache``: what is kept of compiled code, and away with it."""

from __future__ import annotations

from schedc.cache.code_cache import ENVIRONMENT, default_cache
from schedc.commands.console import bytes_text, count, say, tell
from schedc.errors import one_line


def show_cache() -> None:
    info = default_cache().info()
    if info.folder is None:
        say(f"off ({ENVIRONMENT}=off)")
        return
    tell(one_line(str(info.folder)), "folder")
    if info.fault:
        tell(one_line(info.fault), "not used")
    tell(f"{count(info.entries, 'entry', 'entries')}, {bytes_text(info.total_bytes)}", "entries")
    tell(f"{bytes_text(info.most_bytes)}; the least recently used go first", "at most")


def clear_cache() -> None:
    say(f"deleted {count(default_cache().clear(), 'entry', 'entries')}")
