"""WaveNets with options drawn at random: combinations nobody thought of."""

import random
from pathlib import Path

import pytest
from oracle_harness import Config, assert_agrees, layer_array, wavenet

ACTIVATIONS = ("Tanh", "Hardtanh", "ReLU", "LeakyReLU", "PReLU", "Sigmoid", "SiLU", "Hardswish")
FILM_SITES = (
    "conv_pre",
    "conv_post",
    "input_mixin_pre",
    "input_mixin_post",
    "activation_pre",
    "activation_post",
    "layer1x1_post",
    "head1x1_post",
)


def draw_activation(draw: random.Random) -> str | Config:
    mode = draw.choice(["plain", "plain", "own", "PairMultiply", "PairBlend"])
    if mode == "plain":
        return draw.choice(ACTIVATIONS)
    if mode == "own":
        return draw.choice(["Softsign", "LeakyHardtanh"])
    return {"name": mode, "primary": draw.choice(ACTIVATIONS), "secondary": draw.choice(ACTIVATIONS)}


def draw_array(draw: random.Random, input_size: int, width: int, condition_size: int, out: int) -> Config:
    """An array of `width` channels (even) whose head accumulates `width` channels too, as a later
    array's must: by its bottleneck or by its head1x1. `condition_size` is even or 1."""
    layers = draw.randint(1, 4)
    head1x1 = draw.random() < 0.5
    bottleneck = 2 * draw.randint(1, 3) if head1x1 else width

    def groups() -> int:
        return draw.choice([1, 2])

    def film() -> Config:
        return {
            "active": True,
            "shift": draw.random() < 0.5,
            "groups": groups() if condition_size > 1 else 1,
        }

    sites = [site for site in FILM_SITES if draw.random() < 0.4 and (head1x1 or site != "head1x1_post")]
    return layer_array(
        input_size=input_size,
        condition_size=condition_size,
        channels=width,
        bottleneck=bottleneck,
        kernel_size=[draw.randint(1, 6) for _ in range(layers)],
        dilations=[draw.randint(1, 12) for _ in range(layers)],
        activation=[draw_activation(draw) for _ in range(layers)],
        groups_input=groups(),
        groups_input_mixin=groups() if condition_size > 1 else 1,
        layer_1x1_config={"active": True, "groups": groups()},
        head_1x1_config={"active": head1x1, "out_channels": width, "groups": groups() if head1x1 else 1},
        film_params={f"{site}_film": film() for site in sites},
        head={"out_channels": out, "kernel_size": draw.randint(1, 4), "bias": draw.random() < 0.5},
    )


def draw_wavenet(draw: random.Random, condition_size: int, outputs: int) -> Config:
    """One to three arrays; each array's head gives as many channels as the next one is wide."""
    widths = [draw.choice([2, 4, 6]) for _ in range(draw.randint(1, 3))]
    inputs = [1, *widths[:-1]]
    post_head = draw.random() < 0.4
    outs = [*widths[1:], 3 if post_head else outputs]
    arrays = [
        draw_array(draw, input_size, width, condition_size, out)
        for input_size, width, out in zip(inputs, widths, outs, strict=True)
    ]
    config: Config = {"layers_configs": arrays, "head_scale": draw.choice([0.25, 0.75, 1.5])}
    if post_head:
        kernel_sizes = [draw.randint(1, 4) for _ in range(draw.randint(1, 3))]
        activation = draw.choice([name for name in ACTIVATIONS if name != "PReLU"])
        config["head"] = {
            "channels": 3,
            "activation": activation,
            "out_channels": outputs,
            "kernel_sizes": kernel_sizes,
        }
    return config


@pytest.mark.parametrize("seed", range(40))
def test_random_wavenet(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    conditioned = draw.random() < 0.5
    config = draw_wavenet(draw, condition_size=2 if conditioned else 1, outputs=1)
    if conditioned:
        condition = draw_wavenet(draw, condition_size=1, outputs=2)
        config["condition_dsp"] = {"name": "WaveNet", "config": condition}
    arrays = config.pop("layers_configs")
    assert_agrees(wavenet(*arrays, seed=seed, **config), tmp_path)
