"""Keras 2 .h5 files, written as Keras 2.x wrote them: JSON attributes and weights by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

ZEROS = {"class_name": "Zeros", "config": {}}
GLOROT = {"class_name": "GlorotUniform", "config": {"seed": None}}
L2 = {"class_name": "L2", "config": {"l2": 1e-4}}


def layer(kind: str, name: str, inbound: Any = None, **config: Any) -> dict[str, Any]:
    """A layer's entry; ``inbound``: names of its inputs, or nodes as Keras writes them."""
    if inbound is None:
        nodes = []
    elif isinstance(inbound, str):
        nodes = [[[inbound, 0, 0, {}]]]
    elif inbound and isinstance(inbound[0], str):
        nodes = [[[item, 0, 0, {}] for item in inbound]]
    else:
        nodes = inbound
    settings = {"name": name, "trainable": True, "dtype": "float32", **config}
    return {"class_name": kind, "config": settings, "name": name, "inbound_nodes": nodes}


def image(name: str, *shape: int) -> dict[str, Any]:
    settings = {"batch_input_shape": [None, *shape], "dtype": "float32", "sparse": False,
                "ragged": False, "name": name}  # fmt: skip
    return {"class_name": "InputLayer", "config": settings, "name": name, "inbound_nodes": []}


def conv(name: str, inbound: Any, filters: int, size: int = 3, **more: Any) -> dict[str, Any]:
    settings = {
        "filters": filters, "kernel_size": [size, size], "strides": [1, 1], "padding": "same",
        "data_format": "channels_last", "dilation_rate": [1, 1], "groups": 1,
        "activation": "linear", "use_bias": True, "kernel_initializer": GLOROT,
        "bias_initializer": ZEROS, "kernel_regularizer": L2, "bias_regularizer": None,
        "activity_regularizer": None, "kernel_constraint": None, "bias_constraint": None,
    }  # fmt: skip
    return layer("Conv2D", name, inbound, **{**settings, **more})


def depthwise(name: str, inbound: Any, **more: Any) -> dict[str, Any]:
    settings = {
        "kernel_size": [3, 3], "strides": [1, 1], "padding": "same", "dilation_rate": [1, 1],
        "data_format": "channels_last", "groups": 1, "activation": "linear", "use_bias": False,
        "bias_initializer": ZEROS, "depth_multiplier": 1, "depthwise_initializer": GLOROT,
        "depthwise_regularizer": None, "depthwise_constraint": None,
    }  # fmt: skip
    return layer("DepthwiseConv2D", name, inbound, **{**settings, **more})


def norm(name: str, inbound: Any, kind: str = "BatchNormalization", axis: Any = 3) -> Any:
    settings = {
        "axis": [axis], "momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True,
        "beta_initializer": ZEROS, "gamma_initializer": {"class_name": "Ones", "config": {}},
        "moving_mean_initializer": ZEROS, "moving_variance_initializer": ZEROS,
        "beta_regularizer": None, "gamma_regularizer": None, "beta_constraint": None,
        "gamma_constraint": None,
    }  # fmt: skip
    return layer(kind, name, inbound, **settings)


def dense(name: str, inbound: Any, units: int, **more: Any) -> dict[str, Any]:
    settings = {"units": units, "activation": "linear", "use_bias": True,
                "kernel_initializer": GLOROT, "bias_initializer": ZEROS,
                "kernel_regularizer": None}  # fmt: skip
    return layer("Dense", name, inbound, **{**settings, **more})


def functional(layers: list[Any], inputs: Any, outputs: Any, kind: str = "Functional") -> Any:
    ends = [[[name, 0, 0] if isinstance(name, str) else name for name in side]
            for side in (inputs, outputs)]  # fmt: skip
    config = {"name": "model", "layers": layers, "input_layers": ends[0], "output_layers": ends[1]}
    return {"class_name": kind, "config": config}


def weights_of(twin: Any) -> list[tuple[str, list[np.ndarray]]]:
    """Random weights for a Keras 3 twin, by layer, in Keras 2's order (trainable ones first)."""
    rng = np.random.default_rng(5)
    found = []
    for item in twin.layers:
        variables = [*item.trainable_weights, *item.non_trainable_weights]
        for variable in variables:
            low = 0.5 if "variance" in variable.path or "gamma" in variable.path else -0.5
            variable.assign(rng.uniform(low, low + 1, variable.shape).astype("float32"))
        found.append((item.name, [variable.numpy() for variable in variables]))
    return found


def write(
    path: Path,
    config: Any,
    weights: list[tuple[str, list[np.ndarray]]],
    *,
    version: str = "2.4.0",
    optimizer: bool = False,
) -> Path:
    """The file; names are bytes, weights lie two groups deep, as Keras 2 put them."""
    with h5py.File(path, "w") as file:
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["keras_version"] = version.encode()
        file.attrs["backend"] = b"tensorflow"
        file.attrs["training_config"] = json.dumps({"loss": "my_own_loss"}).encode()
        group = file.create_group("model_weights")
        group.attrs["keras_version"] = version.encode()
        group.attrs["layer_names"] = np.array([name.encode() for name, _ in weights])
        for name, arrays in weights:
            here = group.create_group(name)
            names = [f"{name}/w_{k}:0" for k in range(len(arrays))]
            here.attrs["weight_names"] = np.array([key.encode() for key in names], dtype="S")
            for key, array in zip(names, arrays, strict=True):
                here.create_dataset(key, data=array)
        if optimizer:
            state = file.create_group("optimizer_weights")
            state.attrs["weight_names"] = np.array([b"m:0"])
            state.create_dataset("m:0", data=np.ones(7))
    return path
