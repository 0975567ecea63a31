"""The amplifier that the example captures are captures of, and the audio to learn it from.

A crunchy two-stage amplifier with a small cabinet, defined here and nowhere else, so that the files
in `examples/captures` owe nothing to anyone's hardware or recordings. All of it is causal and
deterministic: filters are IIR, oversampling uses causal IIR filters too, there is no latency.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from make_di import SAMPLE_RATE, guitar
from scipy.signal import butter, chirp, lfilter, sosfilt

Signal = npt.NDArray[np.float64]

OVERSAMPLING = 4
ANTI_ALIAS = butter(6, 20_000.0, fs=OVERSAMPLING * SAMPLE_RATE, output="sos")


def filtered(sections: Signal, signal: Signal) -> Signal:
    """`signal` through second-order sections, from rest."""
    return np.asarray(sosfilt(sections, signal), dtype=np.float64)


def high_pass(signal: Signal, hz: float) -> Signal:
    return filtered(butter(1, hz, "highpass", fs=SAMPLE_RATE, output="sos"), signal)


def low_pass(signal: Signal, hz: float, order: int) -> Signal:
    return filtered(butter(order, hz, fs=SAMPLE_RATE, output="sos"), signal)


def peak(signal: Signal, hz: float, gain_db: float, q: float) -> Signal:
    """A bell filter (Robert Bristow-Johnson's cookbook)."""
    amplitude = 10.0 ** (gain_db / 40.0)
    omega = 2.0 * np.pi * hz / SAMPLE_RATE
    alpha = np.sin(omega) / (2.0 * q)
    b = np.array([1.0 + alpha * amplitude, -2.0 * np.cos(omega), 1.0 - alpha * amplitude])
    a = np.array([1.0 + alpha / amplitude, -2.0 * np.cos(omega), 1.0 - alpha / amplitude])
    return filtered(np.concatenate([b, a])[None] / a[0], signal)


def oversampled(curve: Callable[[Signal], Signal], signal: Signal) -> Signal:
    """Bend `signal` by `curve` at four times the rate, so that the new harmonics alias little."""
    stuffed = np.zeros(OVERSAMPLING * len(signal))
    stuffed[::OVERSAMPLING] = OVERSAMPLING * signal
    return filtered(ANTI_ALIAS, curve(filtered(ANTI_ALIAS, stuffed)))[::OVERSAMPLING]


def triode(gain: float, bias: float) -> Callable[[Signal], Signal]:
    """tanh off its centre: one half of the wave bends earlier, which makes the even harmonics."""

    def curve(signal: Signal) -> Signal:
        return np.tanh(gain * signal + bias) - math.tanh(bias)

    return curve


def sag(signal: Signal, depth: float, seconds: float) -> Signal:
    """A soft supply: the level of the last `seconds` lowers the gain."""
    pole = np.exp(-1.0 / (seconds * SAMPLE_RATE))
    level = filtered(np.array([[1.0 - pole, 0.0, 0.0, 1.0, -pole, 0.0]]), np.abs(signal))
    return signal / (1.0 + depth * level)


def amplify(signal: Signal) -> Signal:
    """The whole amplifier, `[samples]` at 48 kHz to `[samples]`; full scale in stays below 1 out."""
    signal = peak(high_pass(signal, 90.0), 750.0, 5.0, 0.6)
    signal = oversampled(triode(gain=5.0, bias=0.35), signal)
    signal = low_pass(high_pass(signal, 60.0), 7000.0, 1)
    signal = peak(signal, 500.0, -4.0, 0.7)
    signal = sag(signal, depth=1.0, seconds=0.02)
    signal = oversampled(triode(gain=2.2, bias=-0.2), signal)
    return 0.4 * cabinet(signal)


def cabinet(signal: Signal) -> Signal:
    """A small closed box: thump at 110 Hz, bite at 2.4 kHz, little above 5 kHz."""
    signal = peak(high_pass(signal, 70.0), 110.0, 4.0, 1.2)
    return low_pass(peak(signal, 2400.0, 5.0, 1.1), 5000.0, 3)


def training_signal(seed: int = 1) -> Signal:
    """What the amplifier is fed for training, `[samples]`: half a second of silence, then sweeps
    and noise at several levels, then guitar at several levels; 100 s in all."""
    rng = np.random.default_rng(seed)
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    sweep = chirp(time, 30.0, time[-1], 18_000.0, method="logarithmic")
    pink = lfilter([0.05], [1.0, -0.95], rng.standard_normal(2 * SAMPLE_RATE))
    pieces = [np.zeros(SAMPLE_RATE // 2)]
    for level in (0.02, 0.1, 0.4, 0.9):
        pieces += [level * sweep, level * pink / np.abs(pink).max(), np.zeros(SAMPLE_RATE // 8)]
    for turn, level in enumerate((0.9, 0.7, 0.5, 0.3, 0.15, 0.7, 0.9)):
        pieces.append(guitar(12.0, seed=100 * seed + turn, peak=level))
    return np.concatenate(pieces)


def validation_signal() -> Signal:
    """Nine seconds of guitar that training never sees, after half a second of silence."""
    return np.concatenate([np.zeros(SAMPLE_RATE // 2), guitar(9.0, seed=4711, peak=0.7)])
