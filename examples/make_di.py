"""Make a short guitar take as a pickup would send it ("DI"), from Karplus-Strong strings.

    python examples/make_di.py                 # writes examples/captures/di.wav

48 kHz, mono, 16 bit, 4 s: single notes, a muted riff and three chords, soft to loud. The seed is
fixed, so the take is the same on every run.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

Signal = npt.NDArray[np.float64]

SAMPLE_RATE = 48_000
# Standard tuning, low to high, in Hz.
OPEN_STRINGS = (82.41, 110.0, 146.83, 196.0, 246.94, 329.63)
# Frets per string, None = not played: E5, A minor, G, D, C, E minor.
CHORDS: tuple[tuple[int | None, ...], ...] = (
    (0, 2, 2, None, None, None),
    (None, 0, 2, 2, 1, 0),
    (3, 2, 0, 0, 0, 3),
    (None, None, 0, 2, 3, 2),
    (None, 3, 2, 0, 1, 0),
    (0, 2, 2, 0, 0, 0),
)


def pluck(hz: float, samples: int, sustain_seconds: float, bright: float, rng: np.random.Generator) -> Signal:
    """One string after Karplus and Strong: a burst of noise going round a damped delay line.

    `bright` in 0..1 opens the low-pass on the burst; `sustain_seconds` is the time to -60 dB.
    """
    period = SAMPLE_RATE / hz
    whole = int(period - 0.5)  # the damping filter below delays by half a sample more
    fraction = period - 0.5 - whole
    burst = rng.uniform(-1.0, 1.0, whole + 2)
    for _ in range(1 + int(8 * (1.0 - bright))):
        burst = 0.5 * (burst + np.roll(burst, 1))
    pick = max(1, whole // 7)  # picking at a seventh of the string: that harmonic and its multiples vanish
    burst = burst - np.roll(burst, pick)
    burst = np.cumsum(burst - burst.mean())  # the speed of a plucked string falls as 1/n over its harmonics
    burst -= burst.mean()

    loss = 10.0 ** (-3.0 * period / (SAMPLE_RATE * sustain_seconds))
    taps = loss * np.convolve([0.5, 0.5], [1.0 - fraction, fraction])
    line = np.zeros(samples + 2 * (whole + 2))
    line[: whole + 2] = burst
    start = whole + 2
    while start < len(line):
        stop = min(start + whole, len(line))  # one turn of the delay line depends on earlier turns only
        line[start:stop] = sum(tap * line[start - whole - lag : stop - whole - lag] for lag, tap in enumerate(taps))
        start = stop
    return line[:samples] / float(np.abs(burst).max())


def pickup(signal: Signal) -> Signal:
    """A magnetic pickup and its cable: second-order resonance at 4 kHz, nothing below 40 Hz."""
    spectrum = np.fft.rfft(signal, 2 * len(signal))
    s = 1j * np.fft.rfftfreq(2 * len(signal), 1.0 / SAMPLE_RATE)
    low_pass = 1.0 / (1.0 + s / (4000.0 * 1.6) + (s / 4000.0) ** 2)
    high_pass = s / (s + 40.0)
    return np.fft.irfft(spectrum * low_pass * high_pass)[: len(signal)]


def strum(frets: tuple[int | None, ...], samples: int, sustain: float, rng: np.random.Generator) -> Signal:
    """A chord, strings struck 4 to 12 ms apart."""
    mix = np.zeros(samples)
    at = 0
    for open_hz, fret in zip(OPEN_STRINGS, frets, strict=True):
        if fret is None or at >= samples:
            continue
        hz = open_hz * 2.0 ** (fret / 12.0)
        mix[at:] += pluck(hz, samples - at, sustain, rng.uniform(0.3, 0.9), rng)
        at += int(rng.uniform(0.004, 0.012) * SAMPLE_RATE)
    return mix


def playing(rng: np.random.Generator) -> Iterator[Signal]:
    """Endless playing: runs of notes, palm-muted riffs, chords; every event at its own level."""
    while True:
        kind = rng.choice(["notes", "muted", "chord"])
        level = 10.0 ** rng.uniform(-1.2, 0.0)  # 24 dB of dynamics
        if kind == "chord":
            samples = int(rng.uniform(0.5, 1.1) * SAMPLE_RATE)
            yield 0.45 * level * strum(CHORDS[rng.integers(len(CHORDS))], samples, 4.0, rng)
            continue
        for _ in range(rng.integers(2, 6)):
            samples = int(rng.uniform(0.09, 0.25) * SAMPLE_RATE)
            string = rng.integers(0, 3) if kind == "muted" else rng.integers(0, 6)
            hz = OPEN_STRINGS[string] * 2.0 ** (rng.integers(0, 13) / 12.0)
            sustain = 0.25 if kind == "muted" else 3.0
            yield level * rng.uniform(0.6, 1.0) * pluck(hz, samples, sustain, rng.uniform(0.2, 1.0), rng)


def guitar(seconds: float, seed: int, peak: float = 0.7) -> Signal:
    """`seconds` of playing, `[samples]`, largest absolute value `peak`."""
    rng = np.random.default_rng(seed)
    samples = int(seconds * SAMPLE_RATE)
    take = np.zeros(samples)
    at = int(0.02 * SAMPLE_RATE)
    fade = np.linspace(1.0, 0.0, int(0.003 * SAMPLE_RATE))
    for event in playing(rng):
        if at >= samples:
            break
        event[-len(fade) :] *= fade  # the hand stops the string; without it every note would end in a click
        stop = min(at + len(event), samples)
        take[at:stop] = event[: stop - at]
        at += len(event)
    take = pickup(take)
    return take * (peak / float(np.abs(take).max()))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a guitar take as a pickup would send it.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "captures" / "di.wav")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    soundfile.write(options.out, guitar(options.seconds, options.seed), SAMPLE_RATE, subtype="PCM_16")
    print(f"{options.out}: {options.seconds} s, {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
