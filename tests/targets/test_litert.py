"""Targets that run LiteRT on this machine: host and Raspberry Pi."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.core.errors import ModelError, TargetError, UsageError
from targets.base import ModelFile, RunOptions
from targets.conditions import machine_conditions, machine_health, tainted_reasons
from targets.model_file import load_model_file
from targets.raspberry_pi import target as pi
from targets.table import get_target
from tests.builders import ModelBuilder, tiny_classifier
from tests.run import shared

FEW = RunOptions(runs=3, warmup=1, threads=1)


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_classifier())
    return load_model_file(path)


def test_benchmark_of_a_real_model() -> None:
    model = load_model_file(shared() / "models/mlperf_tiny/kws_ref_model.tflite")
    report = get_target("host").benchmark(model, FEW)
    assert len(report.samples) == 3 and min(report.samples) > 0
    assert report.first is not None and report.first > 0
    assert report.replayed and report.max_diff_lsb is not None and report.max_diff_lsb <= 8
    assert report.output_fnv1a is not None and len(report.output_fnv1a) == 8
    assert report.per_step == () and report.instructions is None
    conditions = report.conditions
    assert conditions["threads"] == 1 and conditions["warmup"] == 1
    assert conditions["runtime"].startswith(("ai-edge-litert", "tflite-runtime"))
    assert conditions["cores"] >= 1 and conditions["python"]
    data = json.loads(json.dumps(report.to_json()))
    assert data["schema"] == "edgecnn.bench/1" and data["unit"] == "ms"
    assert data["p50"] <= data["p90"] <= data["p99"]


# The first has 8-bit weights between float activations, the second is all float.
@pytest.mark.parametrize("name", ["kws_ref_model_float32", "vww_96_float"])
def test_float_model_has_no_lsb(name: str) -> None:
    model = load_model_file(shared() / f"models/mlperf_tiny/{name}.tflite")
    report = get_target("host").benchmark(model, FEW)
    assert report.replayed and report.max_diff_lsb is None


def test_compile_and_deploy_copy_the_model(tmp_path: Path, model: ModelFile) -> None:
    target = get_target("host")
    compiled = target.compile(model, tmp_path / "out", RunOptions())
    assert compiled.files == ("model.tflite",)
    assert (tmp_path / "out/model.tflite").read_bytes() == model.data
    assert compiled.to_json()["model_sha256"] == model.sha256
    assert target.deploy(compiled, RunOptions()).path == str(tmp_path / "out/model.tflite")
    with pytest.raises(TargetError, match="'pi@box' over the network is not available yet"):
        target.deploy(compiled, RunOptions(device="pi@box"))


def test_threads_are_capped_and_checked(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("targets.inference.available_cores", lambda: 1)
    report = get_target("host").benchmark(model, RunOptions(runs=1, warmup=0))
    assert report.conditions["threads"] == 1
    with pytest.raises(UsageError, match="0 threads, expected at least 1"):
        get_target("host").benchmark(model, RunOptions(threads=0))
    with pytest.raises(UsageError, match="0 runs, expected at least 1"):
        get_target("host").benchmark(model, RunOptions(runs=0))


def test_check_names_custom_ops(tmp_path: Path, model: ModelFile) -> None:
    report = get_target("host").check(model)
    assert report.mapped == len(report.ops) == 6 and report.fits
    assert report.memory == {"file_bytes": len(model.data), "arena_bytes": None}
    build = ModelBuilder()
    x, y = (build.tensor((1, 4), "int8", 0.1) for _ in range(2))
    build.op("CUSTOM", [x], [y], custom_code="FlexErf")
    path = tmp_path / "custom.tflite"
    path.write_bytes(build.build([x], [y]))
    report = get_target("host").check(load_model_file(path))
    assert report.fits is False
    assert report.ops[0].reason == "LiteRT has no kernel for the custom op 'FlexErf'"
    assert "SELECT_TF_OPS" in (report.ops[0].rewrite or "")


def test_pi_elsewhere(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pi.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(pi, "machine_conditions", lambda: {"cpu": "Some PC"})
    target = get_target("pi5")
    with pytest.raises(TargetError) as caught:
        target.benchmark(model, FEW)
    assert "this machine (Some PC, x86_64) is no Raspberry Pi" in caught.value.message
    assert "-t host instead of -t pi5" in caught.value.hint
    with pytest.raises(TargetError) as caught:
        target.benchmark(model, replace(FEW, device="pi@raspberrypi.local"))
    assert "not available yet" in caught.value.message
    assert "run the command with -t pi5 -d local there" in caught.value.hint
    report = target.benchmark(model, replace(FEW, device="local"))
    assert report.tainted[0] == (
        "measured on this machine (Some PC, x86_64), which is no Raspberry Pi"
    )


def test_pi_on_a_pi(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pi, "machine_conditions", lambda: {"cpu": "Raspberry Pi 5 Model B Rev 1.0"})
    report = get_target("pi5").benchmark(model, FEW)
    assert not any("no Raspberry Pi" in reason for reason in report.tainted)


def test_conditions_are_read_from_proc_and_sys(tmp_path: Path) -> None:
    for path, text in {
        "proc/cpuinfo": "processor\t: 0\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "ondemand\n",
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
        "sys/class/thermal/thermal_zone1/temp": "51000\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = machine_conditions(tmp_path)
    assert found["cpu"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert (found["governor"], found["temperature_c"]) == ("ondemand", 51.0)


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for a Pi's program")
def test_a_pi_says_what_slows_it_down_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0/temp"
    zone.parent.mkdir(parents=True)
    zone.write_text("81250\n")
    program = tmp_path / "vcgencmd"
    program.write_text("#!/bin/sh\necho throttled=0x50005\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    health = machine_health(tmp_path)
    assert health.temperature_c == 81.25
    assert health.throttled == ("under-voltage", "throttled")
    program.unlink()
    zone.unlink()
    assert machine_health(tmp_path) == type(health)(None, ())


def test_tainted_reasons() -> None:
    calm = {"governor": "performance", "load_average": 0.2, "cores": 4, "throttled": 0}
    assert tainted_reasons(calm, calm) == ()
    busy = {"governor": "ondemand", "load_average": 5.04, "cores": 4, "throttled": 0x50000}
    assert tainted_reasons(busy, {**calm, "throttled": 0x50005}) == (
        "CPU governor is 'ondemand', not 'performance'",
        "load average 5.0 on 4 cores before the measurement",
        "throttled since boot (before the measurement)",
        "under-voltage (after the measurement)",
        "throttled (after the measurement)",
    )
    unknown = {"governor": None, "load_average": None, "cores": 4, "throttled": None}
    assert tainted_reasons(unknown, unknown) == ()


def test_check_names_what_bench_refuses(tmp_path: Path) -> None:
    build = ModelBuilder()
    x = build.tensor((1, 4), "int8", 0.1, 0)
    y = build.tensor((1, 4), "int8", 0.1, 0)
    build.op("SOFTMAX", [x], [y], beta=1e-9)
    path = tmp_path / "flat.tflite"
    path.write_bytes(build.build([x], [y]))
    model, host = load_model_file(path), get_target("host")
    report = host.check(model)
    assert report.fits is False
    (finding,) = report.ops
    assert finding.reason is not None and "LiteRT cannot run" in finding.reason
    with pytest.raises(ModelError, match="LiteRT cannot run"):
        host.benchmark(model, FEW)
