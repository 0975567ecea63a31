"""Train the example captures with the public trainer on the amplifier of `synthetic_amp.py`.

    python -m venv .venv-train
    .venv-train/bin/pip install -r examples/requirements-train.txt
    .venv-train/bin/python examples/train_captures.py --out examples/captures [NAME ...]

Models, losses, data sets, training module and export are the trainer's own; this file holds the
configurations, one loop over them, and the table in README.md. One thread, about forty minutes for
all of them; seeds are fixed, though another processor or PyTorch may round differently.
"""

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from captures_readme import write_readme
from make_di import SAMPLE_RATE
from nam.data import Dataset
from nam.models._from_nam import init_from_nam
from nam.models.losses import esr
from nam.models.metadata import GearType, ToneType, UserMetadata
from nam.models.wavenet import PackedWaveNet
from nam.train.lightning_module import LightningModule
from synthetic_amp import Signal, amplify, training_signal, validation_signal
from torch.utils.data import DataLoader

SEED = 0
PRE_SILENCE_SECONDS = 0.4  # both signals start with half a second of it

D7 = [1, 2, 4, 8, 16, 32, 64]
A1_DILATIONS = (D7, [128, 256, 512, *D7, 128, 256, 512])
A2_SWEEP = [1, 3, 7, 17, 41, 101, 239]
CONVNET_DILATIONS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]


@dataclass(frozen=True)
class Recipe:
    """How one capture is trained: the trainer's configuration of the network, and the schedule.

    `window` is the number of output samples per item, `batch` the number of items per step.
    """

    net: Mapping[str, Any]
    steps: int
    peak_learning_rate: float
    batch: int
    window: int


def a2(channels: int) -> dict[str, Any]:
    """The A2 shape: 23 layers, kernels 6 and 15, one array; 3 channels are Lite, 8 are Full."""
    array = {
        "input_size": 1,
        "condition_size": 1,
        "channels": channels,
        "kernel_sizes": [6] * 14 + [15] * 2 + [6] * 7,
        "dilations": [*A2_SWEEP, *A2_SWEEP, 1, 13, *A2_SWEEP],
        "activation": "LeakyReLU",
        "head": {"out_channels": 1, "kernel_size": 16, "bias": True},
    }
    return {"layers_configs": [array], "head_scale": 0.01}


def a1(channels: int) -> dict[str, Any]:
    """The A1 shape of two arrays with 7 and 13 layers; 4 channels are Nano."""
    arrays = [
        {
            "input_size": 1 if first else channels,
            "condition_size": 1,
            "channels": channels if first else channels // 2,
            "kernel_size": 3,
            "dilations": dilations,
            "activation": "Tanh",
            "head": {"out_channels": channels // 2 if first else 1, "kernel_size": 1, "bias": not first},
        }
        for first, dilations in zip((True, False), A1_DILATIONS, strict=True)
    ]
    return {"layers_configs": arrays, "head_scale": 0.02}


LSTM = {"hidden_size": 16, "train_burn_in": 2048, "train_truncate": 1024}
CONVNET = {"channels": 12, "dilations": CONVNET_DILATIONS, "batchnorm": True, "activation": "Tanh"}

RECIPES: Mapping[str, Recipe] = {
    "a2_lite": Recipe({"name": "WaveNet", "config": a2(3)}, 5000, 0.01, 4, 8192),
    "a1_nano": Recipe({"name": "WaveNet", "config": a1(4)}, 6000, 0.01, 4, 8192),
    "lstm_1x16": Recipe({"name": "LSTM", "config": LSTM}, 3000, 0.01, 8, 8192),
    "convnet": Recipe({"name": "ConvNet", "config": CONVNET}, 2000, 0.01, 16, 4096),
    "a2_full": Recipe({"name": "WaveNet", "config": a2(8)}, 2000, 0.008, 4, 8192),
}


class Report(lightning.Callback):
    """Prints the validation error as training goes."""

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        error = float(trainer.callback_metrics["ESR"])
        print(f"  step {trainer.global_step:6d}  validation ESR {error:.4f}", flush=True)


def dataset(signal: Signal, receptive_field: int, window: int | None) -> Dataset:
    return Dataset(
        x=torch.tensor(signal, dtype=torch.float32),
        y=torch.tensor(amplify(signal), dtype=torch.float32),
        nx=receptive_field,
        ny=window,
        start_seconds=PRE_SILENCE_SECONDS,
        sample_rate=SAMPLE_RATE,
        require_input_pre_silence=PRE_SILENCE_SECONDS,
    )


def train(recipe: Recipe) -> LightningModule:
    """Train one network as `recipe` says, in evaluation mode when done."""
    lightning.seed_everything(SEED, verbose=False)
    schedule = {"max_lr": recipe.peak_learning_rate, "total_steps": recipe.steps + 1}
    module = LightningModule.init_from_config(
        {
            "net": recipe.net,
            "loss": {"val_loss": "esr"},
            "optimizer": {"lr": recipe.peak_learning_rate},
            "lr_scheduler": {"class": "OneCycleLR", "kwargs": schedule, "interval": "step"},
        }
    )
    learning = dataset(training_signal(), module.net.receptive_field, recipe.window)
    unseen = dataset(validation_signal(), module.net.receptive_field, None)
    learning.handshake(module.net)
    module.net.handshake(learning)
    module.net.sample_rate = learning.sample_rate
    trainer = lightning.Trainer(
        max_steps=recipe.steps,
        val_check_interval=max(1, recipe.steps // 10),
        check_val_every_n_epoch=None,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Report()],
    )
    loader = DataLoader(learning, batch_size=recipe.batch, shuffle=True, drop_last=True)
    trainer.fit(module, loader, DataLoader(unseen))
    return module.eval()


def validation_error(net: torch.nn.Module) -> float:
    """Error-to-signal ratio over the whole unseen take, every sample after the opening silence."""
    signal = validation_signal()
    with torch.no_grad():
        heard = net(torch.tensor(signal, dtype=torch.float32))
    wanted = torch.tensor(amplify(signal), dtype=torch.float32)
    return float(esr(heard[SAMPLE_RATE // 2 :], wanted[SAMPLE_RATE // 2 :]))


def describe(name: str) -> UserMetadata:
    return UserMetadata(
        name=f"schedc example {name}",
        modeled_by="schedc",
        gear_type=GearType.AMP_CAB,
        gear_make="schedc",
        gear_model="synthetic crunch (examples/synthetic_amp.py)",
        tone_type=ToneType.CRUNCH,
    )


def training_record(recipe: Recipe, module: LightningModule, seconds: float) -> dict[str, Any]:
    return {
        "trainer": f"neural-amp-modeler {version('neural-amp-modeler')}, torch {torch.__version__}",
        "steps": recipe.steps,
        "seconds": round(seconds),
        "batch": recipe.batch,
        "window": recipe.window,
        "peak_learning_rate": recipe.peak_learning_rate,
        "seed": SEED,
        "validation_esr": round(validation_error(module.net), 5),
    }


def export_container(out: Path, full: LightningModule, record: dict[str, Any]) -> None:
    """Write a2_lite.nam and the trained Full as the one file that A2 captures are handed round in."""
    lite = json.loads((out / "a2_lite.nam").read_text())
    submodels = [{"name": f"channels_{channels}", "config": a2(channels)} for channels in (3, 8)]
    packed = PackedWaveNet.init_from_config({"submodels": submodels, "sample_rate": SAMPLE_RATE})
    packed.import_submodel(0, init_from_nam(lite))
    packed.import_submodel(1, full.net)
    packed.eval()
    records = {"training": {"lite": lite["metadata"]["training"], "full": record}}
    packed.export(out, basename="a2", user_metadata=describe("a2"), other_metadata=records)


def export(name: str, out: Path, module: LightningModule, record: dict[str, Any]) -> None:
    if name == "a2_full":
        export_container(out, module, record)
        return
    metadata = {"training": record}
    module.net.export(out, basename=name, user_metadata=describe(name), other_metadata=metadata)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train captures of the synthetic amplifier.")
    parser.add_argument("names", nargs="*", default=list(RECIPES), help=f"of {', '.join(RECIPES)}")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, help="instead of each recipe's own number, for a quick try")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.names:
        recipe = RECIPES[name]
        if options.steps is not None:
            recipe = replace(recipe, steps=options.steps)
        print(name, flush=True)
        start = time.monotonic()
        module = train(recipe)
        record = training_record(recipe, module, time.monotonic() - start)
        print(" ", json.dumps(record), flush=True)
        export(name, options.out, module, record)
    write_readme(options.out)


if __name__ == "__main__":
    main()
