"""Build models with the public trainer, export them, and hear them through trainer and schedc.

The trainer runs here in float64 on its float32 weights, so both sides compute the same exact values and
the tolerance can be far below float32 rounding. `prewarm=True` is the state after endless silence. In a
network of convolutions the trainer's `pad_start=True` is exactly that: it prefixes silence once, at the
input, and convolves without padding anywhere inside. From zero histories (`prewarm=False`) the trainer
has no counterpart, but the output is the same from the receptive field on.
"""

import importlib
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import schedc

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the trainer's dependencies warn as they are imported
    # Loaded by name: the type checkers run where neither is installed.
    torch: Any = importlib.import_module("torch")
    trainer: Any = importlib.import_module("nam.models.factory")
    from_nam: Any = importlib.import_module("nam.models._from_nam")

torch.set_num_threads(1)

Signal = npt.NDArray[np.float64]
Config = dict[str, Any]

SAMPLE_RATE = 48_000
# Relative to the larger of 1 and the peak. Most models agree to 1e-12; the rest holds a number that the
# trainer keeps finer than the file does, to a relative 3e-8: LeakyReLU's 0.01, a sum of two LSTM biases.
TOLERANCE = 1e-7
# For schedc's float32, whose own rounding and polynomial activations come on top (docs/nam_format.md#tolerance).
TOLERANCE_FLOAT32 = 1e-5


def signal(samples: int, seed: int = 0) -> Signal:
    """Noise of RMS 0.5, `[samples]`, float64 holding float32 values as the format prescribes."""
    noise = np.random.default_rng(seed).normal(0.0, 0.5, samples)
    return noise.astype(np.float32).astype(np.float64)


def build(name: str, config: Config, seed: int = 0) -> Any:
    """A trainer network in evaluation mode, every parameter and running statistic drawn at random."""
    net = trainer.init(name, kwargs={"config": {"sample_rate": SAMPLE_RATE, **config}})
    randomise(net, seed)
    return net.eval()


def randomise(net: Any, seed: int) -> None:
    """Weights scaled by fan-in so that signals stay near 1; nothing is left at one, zero or a default."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            fan_in = max(1, parameter[0].numel()) if parameter.ndim > 1 else 4
            parameter.normal_(0.0, fan_in**-0.5, generator=draw)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.normal_(0.0, 0.3, generator=draw)
                module.running_var.uniform_(0.3, 2.0, generator=draw)
                module.eps = 2.0**-10  # far from PyTorch's default, and exact in float32
            if isinstance(module, torch.nn.PReLU):
                module.weight.uniform_(0.05, 0.5, generator=draw)


def layer_array(**options: Any) -> Config:
    """A small layer array in the trainer's own keys; `options` replace or add keys."""
    array: Config = {
        "input_size": 1,
        "condition_size": 1,
        "channels": 4,
        "kernel_size": 3,
        "dilations": [1, 3, 2],
        "activation": "Tanh",
        "head": {"out_channels": 1, "kernel_size": 1, "bias": True},
    }
    return {**array, **options}


def wavenet(*arrays: Config, seed: int = 0, **options: Any) -> Any:
    """A WaveNet of `arrays`; `options` are the model's other keys (head, head_scale, condition_dsp)."""
    return build("WaveNet", {"layers_configs": list(arrays), "head_scale": 0.75, **options}, seed)


def export(net: Any, folder: Path) -> Path:
    """The .nam file as the trainer writes it."""
    net.export(folder, basename="model")
    return folder / "model.nam"


def trainer_output(net: Any, x: Signal, **options: Any) -> Signal:
    """What the trainer computes, in float64. `net` keeps its precision."""
    precision = next(net.parameters()).dtype
    with torch.no_grad():
        y = net.double()(torch.from_numpy(x), **options).numpy()
    net.to(precision)
    return np.asarray(y, dtype=np.float64)


def schedc_output(
    file: Path,
    x: Signal,
    *,
    prewarm: bool,
    slim: float | None = None,
    precision: Literal["float32", "float64"] = "float64",
) -> Signal:
    """What schedc's reference interpreter computes from the file: `[samples]`, or `[channels, samples]`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", schedc.SchedcWarning)  # of where the engine differs from the trainer, for one
        y = schedc.interpret(file, x, precision=precision, slim=slim, prewarm=prewarm)
    return np.asarray(y, dtype=np.float64)


def difference(y: Signal, wanted: Signal) -> float:
    """Largest absolute difference relative to the larger of 1 and the wanted peak."""
    assert y.shape == wanted.shape, f"schedc gives shape {y.shape}, the trainer {wanted.shape}"
    assert np.abs(wanted).max() > 1e-3, "the model is all but silent: this compares nothing"
    return float(np.abs(y - wanted).max() / max(1.0, np.abs(wanted).max()))


def assert_same(y: Signal, wanted: Signal, tolerance: float = TOLERANCE) -> None:
    found = difference(y, wanted)
    assert found <= tolerance, f"schedc and the trainer differ by {found:.3g}, allowed {tolerance:.3g}"


def idle_parameters(net: Any, x: Signal) -> set[str]:
    """Names of the parameters the output does not depend on: an idle option would be tested in vain.

    The residual branch of a WaveNet's last layer is idle by design (nothing reads it) and not named.
    """
    net.zero_grad()
    net(torch.from_numpy(x.astype(np.float32))).square().sum().backward()
    stacks = [module._layer_arrays for module in net.modules() if hasattr(module, "_layer_arrays")]
    last_layers = [stack[-1]._layers[-1] for stack in stacks]
    branches = [part for layer in last_layers for part in (layer._layer1x1, layer.layer1x1_post_film) if part]
    unread = {parameter for branch in branches for parameter in branch.parameters()}
    named = net.named_parameters()
    return {name for name, p in named if p not in unread and (p.grad is None or not p.grad.any())}


def assert_agrees(net: Any, folder: Path) -> None:
    """Trainer and schedc agree from silence on, and from zero histories once those are forgotten.

    In float32 too, where schedc computes on the graph its passes have made canonical.
    """
    reach = int(net.receptive_field)
    x = signal(reach + 300)
    assert not idle_parameters(net, x)
    wanted = trainer_output(net, x, pad_start=True)
    file = export(net, folder)
    assert_same(schedc_output(file, x, prewarm=True), wanted)
    assert_same(schedc_output(file, x, prewarm=False)[reach - 1 :], wanted[reach - 1 :])
    assert_same(schedc_output(file, x, prewarm=True, precision="float32"), wanted, TOLERANCE_FLOAT32)
