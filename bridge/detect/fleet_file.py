"""A fleet model as bytes and back: arrays and a JSON head in one npz; no code runs."""

import io
import json
import zipfile
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from bridge.detect.fleet import FleetModel, Provenance
from bridge.detect.fleet_states import States
from bridge.detect.network import HEADS, HIDDEN, Network
from bridge.model.errors import InputError

MAGIC = "bridge fleet model"
FORMAT = 1


def pack(model: FleetModel) -> bytes:
    """Return the model as the bytes of a file."""
    head = {
        "magic": MAGIC,
        "format": FORMAT,
        "signals": model.signals,
        "settings": model.settings,
        "life_s": model.life_s,
        "cap_s": model.cap_s,
        "widen": model.widen,
        "skilled": bool(model.skilled),
        "iso": model.iso,
        "ns_per_unit": model.ns_per_unit,
        "provenance": asdict(model.provenance),
    }
    arrays: dict[str, Any] = {
        "head": np.frombuffer(json.dumps(head).encode(), np.uint8),
        "used": model.used,
        "lives_s": model.lives_s,
        "middle": model.network.middle,
        "unit": model.network.unit,
    }
    for field in fields(States):
        arrays[f"states_{field.name}"] = getattr(model.states, field.name)
    for layer, (weight, bias) in enumerate(
        zip(model.network.weights, model.network.biases, strict=True)
    ):
        arrays[f"weight_{layer}"], arrays[f"bias_{layer}"] = weight, bias
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def unpack(content: bytes, name: str) -> FleetModel:
    """Return the model of a file's bytes; `name` is how errors call it.

    Raises
    ------
    InputError
        Where the file is not a model, is of another format, or does not hold together.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        head = json.loads(arrays["head"].tobytes())
        magic, version = head["magic"], head["format"]
    except (EOFError, KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{name}: not a model; allowed: a file of `bridge learn`") from error
    if magic != MAGIC or version != FORMAT:
        raise InputError(
            f"{name}: found {magic!r} of format {version}; allowed: {MAGIC!r} of "
            f"format {FORMAT}; learn it again with this version"
        )
    try:
        model = _model(head, arrays)
        _hold_together(model)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{name}: a damaged model ({error}); learn it again") from error
    return model


def _model(head: dict[str, Any], arrays: dict[str, Any]) -> FleetModel:
    """Put the parts together."""
    layers = range(len(HIDDEN) + 1)
    return FleetModel(
        signals=tuple(head["signals"]),
        settings=tuple(head["settings"]),
        used=arrays["used"].astype(np.int64),
        states=States(**{f.name: arrays[f"states_{f.name}"] for f in fields(States)}),
        life_s=float(head["life_s"]),
        cap_s=float(head["cap_s"]),
        lives_s=arrays["lives_s"],
        widen=(float(head["widen"][0]), float(head["widen"][1])),
        network=Network(
            arrays["middle"],
            arrays["unit"],
            tuple(arrays[f"weight_{layer}"] for layer in layers),
            tuple(arrays[f"bias_{layer}"] for layer in layers),
        ),
        skilled=bool(head["skilled"]),
        iso=bool(head["iso"]),
        ns_per_unit=int(head["ns_per_unit"]),
        provenance=Provenance(**head["provenance"]),
    )


def _hold_together(model: FleetModel) -> None:
    """Raise ValueError where a shape does not fit or a number is not finite."""
    states, network = model.states, model.network
    signals, settings, count = len(model.signals), len(model.settings), len(states.centre)
    inputs = 6 * len(model.used) + 2
    _check(states.centre.shape == (count, settings), "states and settings differ")
    _check(states.mean.shape == states.sd.shape == (count, signals), "states, signals differ")
    _check(states.radius.shape == (count,), "states without radius")
    _check(network.middle.shape == network.unit.shape == (inputs,), "inputs differ")
    nets = len(network.weights[0])
    sizes = (inputs, *HIDDEN, HEADS)
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        _check(weight.shape == (nets, sizes[layer], sizes[layer + 1]), f"layer {layer} differs")
        _check(bias.shape == (nets, 1, sizes[layer + 1]), f"layer {layer} differs")
        _check(np.isfinite(weight).all(), f"layer {layer} is not finite")
        _check(np.isfinite(bias).all(), f"layer {layer} is not finite")
    _check(0.0 < model.cap_s <= model.life_s < np.inf, "cap and life differ")
    _check(len(model.lives_s), "no lives")


def _check(holds: object, what: str) -> None:
    if not holds:
        raise ValueError(what)
