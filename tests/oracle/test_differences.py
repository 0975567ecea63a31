"""Where the trainer, the C++ engine and the file format part, and which one schedc follows.

The engine plays the files, so schedc follows it (docs/nam_format.md#engine-and-trainer) wherever a file means something
to it. Each test shows the trainer doing otherwise, so that it fails on the day the trainer changes.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracle_harness import (
    SAMPLE_RATE,
    TOLERANCE,
    Config,
    Signal,
    assert_same,
    build,
    difference,
    export,
    from_nam,
    layer_array,
    schedc_output,
    signal,
    trainer,
    trainer_output,
    wavenet,
)

from schedc.errors import UserError

X = signal(400)
# A difference this large is one of meaning, not of rounding.
APPARENT = 1e4 * TOLERANCE


def assert_differs(y: Signal, other: Signal) -> None:
    assert difference(y, other) > APPARENT, "the trainer no longer differs here: revise this test"


def assert_follows(y: Signal, *, engine: Signal, not_trainer: Signal) -> None:
    assert_same(y, engine)
    assert_differs(y, not_trainer)


def heard(net: Any) -> Signal:
    return trainer_output(net, X, pad_start=True)


def edit(file: Path, change: Callable[[Config], None]) -> Path:
    """The file again with `change` made to its document."""
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    return file


def silence_residual_branches(net: Any) -> None:
    for array in net._net._layer_arrays:
        for layer in array._layers:
            layer._layer1x1.weight.data.zero_()
            layer._layer1x1.bias.data.zero_()


def test_inactive_layer1x1_passes_the_residual_unchanged(tmp_path: Path) -> None:
    """Engine: x goes on. Trainer: x plus the activated signal, as if layer1x1 were the identity."""
    without = wavenet(layer_array(layer_1x1_config={"active": False}))
    zeroed = wavenet(layer_array())
    zeroed.load_state_dict(without.state_dict(), strict=False)
    silence_residual_branches(zeroed)
    y = schedc_output(export(without, tmp_path), X, prewarm=True)
    assert_follows(y, engine=heard(zeroed), not_trainer=heard(without))


def test_linear_weights_are_an_impulse_response(tmp_path: Path) -> None:
    """Engine: the first weight belongs to the newest sample. Trainer 0.13.0 writes its kernel unflipped."""
    net = build("Linear", {"receptive_field": 20})
    file = export(net, tmp_path)
    unturned = heard(net)
    net._net.weight.data = net._net.weight.data.flip(-1)
    assert_follows(schedc_output(file, X, prewarm=True), engine=heard(net), not_trainer=unturned)


def test_hardtanh_clips_at_one_whatever_the_file_says(tmp_path: Path) -> None:
    """Engine: min_val and max_val are not read. Trainer: writes them and clips there."""
    limited = {"name": "Hardtanh", "min_val": -0.25, "max_val": 0.5}
    net = wavenet(layer_array(activation=limited))
    at_one = wavenet(layer_array(activation="Hardtanh"))
    y = schedc_output(export(net, tmp_path), X, prewarm=True)
    assert_follows(y, engine=heard(at_one), not_trainer=heard(net))


def test_film_object_without_active_is_active(tmp_path: Path) -> None:
    """Engine: an object that does not say is active. Trainer: it is not, and its weights shift by as many."""
    net = wavenet(layer_array(film_params={"activation_post_film": {"active": True, "shift": False}}))

    def leave_out_active(document: Config) -> None:
        del document["config"]["layers"][0]["activation_post_film"]["active"]

    file = edit(export(net, tmp_path), leave_out_active)
    misread = from_nam.init_from_nam(json.loads(file.read_text()))
    assert_follows(schedc_output(file, X, prewarm=True), engine=heard(net), not_trainer=heard(misread.eval()))


def test_head_scale_is_the_last_weight(tmp_path: Path) -> None:
    """Engine: config.head_scale is not used. Trainer: used on import when within 1e-5 of the weight."""
    net = wavenet(layer_array(), head_scale=2.0**-12)
    file = export(net, tmp_path)

    def misstate(document: Config) -> None:
        document["config"]["head_scale"] += 8e-6

    misread = from_nam.init_from_nam(json.loads(edit(file, misstate).read_text()))
    y = schedc_output(file, X, prewarm=True)
    # So quiet a model is compared after undoing its scale.
    scale = 2.0**12
    assert_follows(scale * y, engine=scale * heard(net), not_trainer=scale * heard(misread.eval()))


def test_lstm_starts_from_the_state_in_the_file(tmp_path: Path) -> None:
    """Trainer: its forward pass starts from a learned state that it does not write to the file."""
    net = build("LSTM", {"hidden_size": 6})
    y = schedc_output(export(net, tmp_path), X, prewarm=False)
    state = tuple(part.detach().double() for part in net._get_initial_state())
    engine = trainer_output(net, X, pad_start=False, initial_state=state)
    assert_follows(y, engine=engine, not_trainer=trainer_output(net, X, pad_start=False))


@pytest.mark.parametrize(
    ("activation", "engine_activation"),
    [
        ({"name": "LeakyReLU", "negative_slope": 0.5}, "LeakyReLU"),
        ("PReLU", "LeakyReLU"),  # a PReLU without slopes has the slope 0.01
        ({"name": "Hardtanh", "min_val": -0.25, "max_val": 0.25}, "Hardtanh"),
    ],
)
def test_convnet_files_lose_activation_parameters(
    activation: str | Config, engine_activation: str, tmp_path: Path
) -> None:
    """The trainer writes only the activation's name for a ConvNet; the reader has to take the defaults."""
    net = build("ConvNet", {"channels": 3, "dilations": [1, 2], "activation": activation})
    defaults = build("ConvNet", {"channels": 3, "dilations": [1, 2], "activation": engine_activation})
    defaults.load_state_dict(net.state_dict(), strict=False)
    y = schedc_output(export(net, tmp_path), X, prewarm=True)
    assert_follows(y, engine=heard(defaults), not_trainer=heard(net))


def post_stack_head(activation: str | Config) -> Any:
    array = layer_array(head={"out_channels": 3, "kernel_size": 1, "bias": True})
    head: Config = {"channels": 4, "activation": activation, "out_channels": 1, "kernel_sizes": [2, 2]}
    return wavenet(array, head=head)


def test_post_stack_head_loses_prelu_slopes(tmp_path: Path) -> None:
    """The trainer writes the head's configuration as it got it, without the slopes it has learned."""
    net = post_stack_head("PReLU")
    defaults = post_stack_head("LeakyReLU")
    defaults.load_state_dict(net.state_dict(), strict=False)
    y = schedc_output(export(net, tmp_path), X, prewarm=True)
    assert_follows(y, engine=heard(defaults), not_trainer=heard(net))


def test_post_stack_head_activation_called_name(tmp_path: Path) -> None:
    """The trainer writes {"name": ...} here, its own form; the engine wants "type". schedc reads both."""
    net = post_stack_head({"name": "LeakyReLU", "negative_slope": 0.5})
    assert_same(schedc_output(export(net, tmp_path), X, prewarm=True), heard(net))


@pytest.mark.parametrize("name", ["Softsigmoid", "GELU", "ELU", "Identity", "Softplus"])
def test_activations_only_the_trainer_has(name: str, tmp_path: Path) -> None:
    """The trainer exports any activation of PyTorch; the engine refuses those, and so does schedc."""
    file = export(wavenet(layer_array(activation=name)), tmp_path)
    with pytest.raises(UserError, match=name):
        schedc_output(file, X, prewarm=True)


@pytest.mark.parametrize("name", ["Softsign", "LeakyHardtanh"])
def test_convnet_activations_exported_by_a_private_name(name: str, tmp_path: Path) -> None:
    """The trainer writes the Python class's name, "_Softsign": no reader knows it."""
    net = build("ConvNet", {"channels": 3, "dilations": [1, 2], "activation": name})
    with pytest.raises(UserError, match=f"_{name}"):
        schedc_output(export(net, tmp_path), X, prewarm=True)


def test_condition_network_in_a_condition_network(tmp_path: Path) -> None:
    """The trainer leaves the sample rate out of the inner one; the engine wants it equal to the outer's."""
    inner = condition_network(channels=3, condition_size=1)
    outer = condition_network(channels=2, condition_size=3)
    outer["config"]["condition_dsp"] = inner
    net = wavenet(layer_array(condition_size=2), condition_dsp=outer)
    file = export(net, tmp_path)
    with pytest.raises(UserError, match="unstated rate"):
        schedc_output(file, X, prewarm=True)

    def state_the_rate(document: Config) -> None:
        document["config"]["condition_dsp"]["config"]["condition_dsp"]["sample_rate"] = SAMPLE_RATE

    assert_same(schedc_output(edit(file, state_the_rate), X, prewarm=True), heard(net))


def condition_network(channels: int, condition_size: int) -> Config:
    head = {"out_channels": channels, "kernel_size": 2, "bias": True}
    array = layer_array(condition_size=condition_size, head=head)
    return {"name": "WaveNet", "config": {"layers_configs": [array], "head_scale": 0.5}}


def test_sequential_files_cannot_be_read(tmp_path: Path) -> None:
    """The trainer 0.13.0 writes the parts' configurations without their architectures."""
    part: Config = {"name": "Linear", "config": {"receptive_field": 3, "sample_rate": SAMPLE_RATE}}
    net = trainer.init("Sequential", kwargs={"config": {"models": [part, part]}})
    with pytest.raises(UserError, match="Sequential"):
        schedc_output(export(net, tmp_path), X, prewarm=True)
