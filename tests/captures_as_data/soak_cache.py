"""Eight processes hammer one cache folder; some are killed at random moments.

    python soak_cache.py FOLDER SECONDS

Every content read must be the one that its key stands for; in the end nothing is left but whole
entries within the bound.  Prints the counts; the exit code is 1 if anything was wrong.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from schedc.cache.code_cache import CodeCache

PROCESSES, KEYS, MOST_BYTES = 8, 40, 200_000


def key_of(number: int) -> str:
    return hashlib.sha256(bytes([number])).hexdigest()


def content(key: str) -> bytes:
    seed = hashlib.sha256(key.encode()).digest()
    return seed * (50 + seed[0] * 4)


def hammer(folder: Path, seed: int, wrong: Callable[[], None], did: Callable[[], None]) -> None:
    chance, cache = random.Random(seed), CodeCache(folder, MOST_BYTES)
    while True:
        key = key_of(chance.randrange(KEYS))
        found = cache.get(key)
        if found is None:
            cache.put(key, content(key))
        elif found != content(key):
            wrong()
        if chance.random() < 0.01:
            damaged = folder / f"{key_of(chance.randrange(KEYS))}.code"
            if damaged.exists():
                damaged.write_bytes(b"damaged")
        did()


def work(folder: str, seed: int, counts: list[int]) -> None:
    def count(place: int) -> Callable[[], None]:
        def add() -> None:
            counts[place] += 1

        return add

    hammer(Path(folder), seed, count(2 * (seed % PROCESSES)), count(2 * (seed % PROCESSES) + 1))


def main(folder: str, seconds: float) -> int:
    chance = random.Random(1)
    context = multiprocessing.get_context("spawn")
    counts = context.Array("q", 2 * PROCESSES, lock=False)
    running = [context.Process(target=work, args=(folder, seed, counts)) for seed in range(PROCESSES)]
    for process in running:
        process.start()
    # The clock starts when all of them are at work: on a busy machine their imports alone can take the time given.
    while not all(counts[1::2]) and all(process.is_alive() for process in running):
        time.sleep(0.05)
    end, kills, seed = time.monotonic() + seconds, 0, PROCESSES
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.05, 0.3))
        victim = chance.randrange(PROCESSES)
        running[victim].kill()
        running[victim].join()
        running[victim] = context.Process(target=work, args=(folder, seed // PROCESSES * PROCESSES + victim, counts))
        running[victim].start()
        kills, seed = kills + 1, seed + PROCESSES
    for process in running:
        process.kill()
        process.join()
    cache = CodeCache(Path(folder), MOST_BYTES)
    cache.put(key_of(KEYS), b"")  # the next run cleans
    left = [path.name for path in Path(folder).iterdir() if path.suffix != ".code"]
    bad = [key for key in map(key_of, range(KEYS)) if cache.get(key) not in (None, content(key))]
    wrong, turns, size = sum(counts[0::2]), sum(counts[1::2]), cache.info().total_bytes
    print(
        f"{turns} turns, {kills} kills, {wrong} wrong reads, {len(bad)} wrong entries, {len(left)} left, {size} bytes"
    )
    return int(bool(wrong or bad or left or size > MOST_BYTES or not turns))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
