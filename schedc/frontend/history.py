"""How much of the past a model keeps, in float32 numbers and in samples (docs/nam_format.md#state)."""

from __future__ import annotations

from schedc.frontend.model import (
    ContainerModel,
    ConvNetModel,
    LinearModel,
    ModelDocument,
    PlainModel,
    RecurrentModel,
    WaveNetModel,
)

# Half a second at 192 kHz.  A file may claim any rate, and a cell that never settles is prewarmed
# sample by sample.
MOST_RECURRENT_PREWARM = 96_000


def history_floats(model: PlainModel) -> int:
    """Numbers of state between samples; those of a condition model are not included."""
    match model:
        case LinearModel():
            return model.in_channels * (model.receptive_field - 1)
        case ConvNetModel():
            first, *rest = model.dilations
            return model.in_channels * first + model.channels * sum(rest)
        case RecurrentModel():
            return len(model.cell.state) * model.hidden_size * model.num_layers
        case WaveNetModel():
            return _wavenet_history_floats(model)


def prewarm_samples(document: ModelDocument) -> int:
    """Samples of silence after which the document's default size counts as settled.

    A container answers for its last submodel.  A recurrent model takes half a second; without a known rate that
    of 48 kHz, where the engine feeds a single block, so that the state does not depend on its size.
    """
    match document.model:
        case LinearModel():
            return 0
        case ConvNetModel() as model:
            return 1 + sum(model.dilations)
        case RecurrentModel():
            return min(max(1, int(0.5 * (document.sample_rate or 48000.0))), MOST_RECURRENT_PREWARM)
        case ContainerModel() as model:
            return prewarm_samples(model.submodels[-1].document)
        case WaveNetModel() as model:
            condition = prewarm_samples(model.condition_dsp) if model.condition_dsp else 1
            return condition + _wavenet_lookback(model)


def _wavenet_lookback(model: WaveNetModel) -> int:
    """Samples before the newest one that can reach the output, the condition model's apart."""
    lookback = 0
    for array in model.arrays:
        lookback += sum(layer.dilation * (layer.kernel_size - 1) for layer in array.layers)
        lookback += array.head.dilation * (array.head.kernel_size - 1)
    if model.post_stack_head:
        lookback += sum(kernel_size - 1 for kernel_size in model.post_stack_head.kernel_sizes)
    return lookback


def _wavenet_history_floats(model: WaveNetModel) -> int:
    floats = 0
    for array in model.arrays:
        taps = sum(layer.dilation * (layer.kernel_size - 1) for layer in array.layers)
        floats += array.channels * taps
        floats += array.head_input_channels * array.head.dilation * (array.head.kernel_size - 1)
    if model.post_stack_head:
        width = model.arrays[-1].head.out_channels
        for kernel_size in model.post_stack_head.kernel_sizes:
            floats += width * (kernel_size - 1)
            width = model.post_stack_head.channels
    return floats
