"""Bundles: round trips, damage, and commands that are interrupted at every point."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core import files
from edgecnn.core.bundle import MANIFEST, Bundle, Golden, Manifest
from edgecnn.core.errors import BundleError, UsageError


def made(root: Path) -> Bundle:
    bundle = Bundle.create(root, Manifest("m", "classify", ("a", "b"), 7))
    with bundle.edit() as edit:
        edit.write("labels.txt", "a\nb\n")
        edit.write("variants/int8/model.tflite", b"old")
        edit.write_json("variants/int8/metrics.json", {"x": 1})
    return bundle.reload()


def content(root: Path) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in Bundle.load(root).manifest.files}


def test_round_trip(tmp_path: Path) -> None:
    bundle = made(tmp_path / "b")
    again = Bundle.load(tmp_path / "b")
    assert again.manifest == bundle.manifest
    assert again.variants == ("int8",)
    assert again.variant_model("int8").read_bytes() == b"old"
    assert again.read_json("variants/int8/metrics.json") == {"x": 1}
    assert again.golden("int8") is None
    assert (again.manifest.labels, again.manifest.seed) == (("a", "b"), 7)


def test_edits_from_a_stale_object_lose_nothing(tmp_path: Path) -> None:
    bundle = made(tmp_path / "b")
    for name in ("one", "two"):
        with bundle.edit() as edit:
            edit.write(name, name)
    assert {"one", "two", "labels.txt"} <= set(bundle.reload().manifest.files)


def test_a_bundle_that_is_only_trained_says_so(tmp_path: Path) -> None:
    bundle = Bundle.create(tmp_path / "b", Manifest("m", "classify", ("a", "b"), 7))
    with bundle.edit() as edit:
        edit.write("model.keras", b"weights")
    bundle = bundle.reload()
    assert bundle.only_trained and not made(tmp_path / "c").only_trained
    for variant in (None, "int8"):
        with pytest.raises(BundleError, match="is trained, but not quantized") as caught:
            bundle.variant_model(variant)
        assert f"edgecnn quantize {tmp_path / 'b'}" in caught.value.hint


def test_removed_files_leave_the_disk(tmp_path: Path) -> None:
    bundle = made(tmp_path / "b")
    with bundle.edit() as edit:
        edit.remove("variants/int8")
        edit.change(default_variant="float32")
    assert not (tmp_path / "b/variants/int8/model.tflite").exists()
    assert bundle.reload().variants == ()


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


def kill_at(monkeypatch, step: int) -> list[Path]:
    """Raises instead of the ``step``-th rename (0: before any)."""
    real, seen = Path.replace, []

    def replace(self: Path, target: Path) -> Path:
        seen.append(Path(target))
        if len(seen) > step:
            raise Killed
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    return seen


# Renames of the edit below: two staged files, bundle.json, then the two into place.
@pytest.mark.parametrize("step", range(6))
@pytest.mark.parametrize("cleaned", [True, False], ids=["interrupt", "kill"])
def test_an_interrupted_edit_leaves_the_old_state_or_the_new(
    tmp_path: Path, monkeypatch, step: int, cleaned: bool
) -> None:
    root = tmp_path / "b"
    bundle = made(root)
    before = content(root)
    after = {**before, "variants/int8/model.tflite": b"new", "report.html": b"<html>"}
    if not cleaned:
        monkeypatch.setattr("edgecnn.core.bundle.BundleEdit.abandon", lambda self: None)
    with monkeypatch.context() as patch:
        kill_at(patch, step)
        try:
            with bundle.edit() as edit:
                edit.write("variants/int8/model.tflite", b"new")
                edit.write("report.html", "<html>")
        except Killed:
            pass
    got = content(root)
    assert got == (before if step < 3 else after)
    with Bundle.load(root).edit() as edit:  # and it can be gone on with
        edit.write("variants/int8/model.tflite", b"newer")
    assert content(root)["variants/int8/model.tflite"] == b"newer"
    assert not list(root.rglob("*.tmp"))


def test_an_exception_in_the_block_leaves_nothing_behind(tmp_path: Path) -> None:
    bundle = made(tmp_path / "b")
    before = sorted((tmp_path / "b").rglob("*"))
    with pytest.raises(KeyboardInterrupt), bundle.edit() as edit:
        edit.write("labels.txt", "changed")
        raise KeyboardInterrupt
    assert sorted((tmp_path / "b").rglob("*")) == before
    assert (tmp_path / "b/labels.txt").read_text() == "a\nb\n"


def test_changed_and_missing_files_are_named(tmp_path: Path) -> None:
    root = tmp_path / "b"
    made(root)
    (root / "labels.txt").write_text("x")
    with pytest.raises(BundleError, match=r"labels\.txt.*SHA-256"):
        Bundle.load(root)
    (root / "labels.txt").unlink()
    with pytest.raises(BundleError, match=r"lacks 'labels\.txt'"):
        Bundle.load(root)
    Bundle.load(root, verify=False)


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/passwd", "a/../../evil", "a\\b", "", MANIFEST, "a\0b", "c:/x", "x" * 999],
)
def test_paths_outside_the_bundle_are_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "b"
    bundle = made(root)
    with pytest.raises(BundleError, match="no path inside"), bundle.edit() as edit:
        edit.write(name, b"x")
    data = json.loads((root / MANIFEST).read_text())
    data["files"][name] = "0" * 64
    (root / MANIFEST).write_text(json.dumps(data))
    with pytest.raises(BundleError, match="no path inside"):
        Bundle.load(root)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"schema": "edgecnn.bundle/2"}', '{"schema": "edgecnn.bundle/1"}', "[" * 9999],
)
def test_bad_manifests_are_bundle_errors(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(BundleError):
        Bundle.load(tmp_path)


def test_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        Bundle.load(tmp_path)
    bundle = made(tmp_path / "b")
    with pytest.raises(BundleError, match=r"no variant 'int4', expected one of int8"):
        bundle.variant_model("int4")
    with pytest.raises(BundleError) as caught:
        bundle.path("model.keras")
    assert "edgecnn train" in caught.value.hint


def test_create_keeps_what_is_there(tmp_path: Path) -> None:
    made(tmp_path / "b")
    fresh = Manifest("n", "detect", (), 1)
    with pytest.raises(UsageError, match="already holds"):
        Bundle.create(tmp_path / "b", fresh)
    assert Bundle.create(tmp_path / "b", fresh, force=True).reload().manifest.files == {}
    assert not (tmp_path / "b/labels.txt").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thing").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        Bundle.create(tmp_path / "other", fresh, force=True)


def golden() -> Golden:
    return Golden(
        {"serving_default_x:0": np.arange(6, dtype=np.int8).reshape(2, 3), "a/b": np.ones((2, 1))},
        {f"o{k}": np.full((2, 1), k, np.float32) for k in range(12)},
    )


def test_golden_round_trip_keeps_names_order_and_types() -> None:
    again = Golden.from_bytes(golden().to_bytes())
    assert list(again.inputs) == list(golden().inputs)
    assert list(again.outputs) == list(golden().outputs)
    for name, value in golden().inputs.items():
        assert np.array_equal(again.inputs[name], value)
        assert again.inputs[name].dtype == value.dtype
    assert again.samples == 2
    assert golden().to_bytes() == golden().to_bytes()


def archive(**items: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as out:
        for name, raw in items.items():
            out.writestr(name, raw)
    return stream.getvalue()


def pickled() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return stream.getvalue()


def plain_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        pickle.dumps([1]),
        plain_array(),
        archive(**{"i0:x.npy": pickled(), "o0:y.npy": pickled()}),
        archive(**{"i0:x.npy": b"short"}),
        archive(**{"ix:y.npy": plain_array()}),
        archive(**{"z.npy": plain_array()}),
        archive(),
        golden().to_bytes()[:200],
    ],
)
def test_bytes_that_are_no_golden_vector(data: bytes) -> None:
    with pytest.raises(BundleError, match="golden vector"):
        Golden.from_bytes(data)


def test_a_damaged_golden_archive_is_a_bundle_error() -> None:
    raw = bytearray(golden().to_bytes())
    for at in range(0, len(raw), 29):
        broken = bytearray(raw)
        broken[at] ^= 0x55
        try:
            Golden.from_bytes(bytes(broken))
        except BundleError as error:
            assert error.hint


def test_write_atomic_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "f"
    files.write_atomic(path, "old")

    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(UsageError, match="No space left") as caught:
            files.write_atomic(path, "new")
    assert "-o" in caught.value.hint
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "sub"):
        with pytest.raises(UsageError, match="cannot create the output folder"):
            files.make_folder(path)
    with pytest.raises(UsageError):
        files.write_atomic(tmp_path / "file" / "x", b"")


def test_hashes_and_json(tmp_path: Path) -> None:
    path = tmp_path / "f"
    files.write_json(path, {"b": 1, "a": ["\u00e4"]})
    assert path.read_text(encoding="utf-8").index('"b"') < path.read_text(encoding="utf-8").index(
        '"a"'
    )
    assert files.sha256_file(path) == files.sha256_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="JSON"):
        files.dump_json(float("nan"))
