"""The user's own layers: named where they are missing, known to Keras once their file was run."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgecnn.core.errors import EdgecnnError, ModelError, UsageError
from quantization.keras_file import load_keras
from quantization.keras_safety import damaged, has_own_layers, refuse_code
from quantization.own_code import ImportedFile, changed_imports, import_files, require_imports

KNOWN: dict[str, Any] = {}


def own(name: str, module: str = "my_layers", registered: str | None = None) -> dict[str, Any]:
    return {
        "class_name": name,
        "module": module,
        "registered_name": registered or name,
        "config": {"name": name.lower()},
    }


def keras_double() -> Any:
    """As much of Keras as running a file needs: its table of names."""
    return SimpleNamespace(saving=SimpleNamespace(get_custom_objects=lambda: KNOWN))


def run(path: Path) -> tuple[ImportedFile, ...]:
    return import_files([path], keras_double)


def test_all_unknown_classes_are_named_at_once_with_their_layers() -> None:
    config = {
        "class_name": "Functional",
        "module": "keras",
        "config": {
            "layers": [
                own("Scale"),
                own("Gate", registered="shop>Gate"),
                {
                    "class_name": "Conv2D",
                    "module": "keras.layers",
                    "config": {
                        "name": "c",
                        "activation": {
                            "class_name": "function",
                            "module": "builtins",
                            "config": "swishy",
                            "registered_name": "function",
                        },
                    },
                },
            ]
        },
        "compile_config": {"loss": own("MyLoss")},
    }
    path = Path("net.keras")
    with pytest.raises(ModelError) as caught:
        refuse_code(path, config)
    message = caught.value.message
    for text in ("Scale of my_layers (layer 'scale')", "registered as 'shop>Gate'", "swishy"):
        assert text in message
    assert "MyLoss" not in message and "…" not in message and "Functional" not in message
    assert "--import" in caught.value.hint and "Scale, Gate, swishy" in caught.value.hint
    with pytest.raises(ModelError, match="swishy") as caught:
        refuse_code(path, config, {"Scale", "Gate"})
    assert "Gate" not in caught.value.message
    refuse_code(path, config, {"Scale", "shop>Gate", "swishy"})


def test_a_lambda_needs_unsafe_and_a_class_needs_its_file() -> None:
    path, layer = Path("net.keras"), {"class_name": "Lambda", "module": "keras.layers"}
    config = [{**layer, "config": {"name": "twice", "function": {"class_name": "__lambda__"}}}]
    with pytest.raises(ModelError, match="a Lambda layer 'twice'") as caught:
        refuse_code(path, config)
    assert "--unsafe" in caught.value.hint and "--import" not in caught.value.hint
    refuse_code(path, config, unsafe=True)
    with pytest.raises(ModelError, match="Scale of my_layers"):
        refuse_code(path, [own("Scale")], unsafe=True)


def test_a_file_is_run_and_what_it_defines_is_known(tmp_path, capsys) -> None:
    file = tmp_path / "edge_own_layers.py"
    file.write_text(
        "print('hello')\nclass Scale:\n    pass\ndef swishy(x):\n    return x\nSIZE = 3\n"
    )
    (found,) = run(file)
    assert found == ImportedFile(file.name, hashlib.sha256(file.read_bytes()).hexdigest())
    assert {"Scale", "swishy"} <= set(KNOWN) and "SIZE" not in KNOWN
    assert capsys.readouterr().out == ""  # stdout may carry JSON
    second = tmp_path / "edge_more_layers.py"
    second.write_text("from edge_own_layers import Scale\nclass Twice(Scale):\n    pass\n")
    run(second)
    assert KNOWN["Twice"].__mro__[1] is KNOWN["Scale"]


@pytest.mark.parametrize(
    ("text", "where", "hint"),
    [
        ("x = 1\ny = x / 0\n", ":2: ZeroDivisionError: division by zero", "mend"),
        ("def f(:\n", ":1: SyntaxError: ", "mend"),
        ("import no_such_module_x\n", ":1: ModuleNotFoundError: ", "install no_such_module_x"),
        ("import beside_it\n", ":1: ModuleNotFoundError: ", "--import"),
        ("raise SystemExit(3)\n", ":1: SystemExit: 3", "__main__"),
    ],
)
def test_an_error_in_the_file_is_one_line_with_its_place(tmp_path, text, where, hint) -> None:
    file = tmp_path / "faulty_layers.py"
    file.write_text(text)
    (tmp_path / "beside_it.py").write_text("")
    with pytest.raises(ModelError) as caught:
        run(file)
    assert f"{file}{where}" in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("name", ["missing.py", "folder", "layers.txt"])
def test_what_is_no_python_file_is_refused(tmp_path, name) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "layers.txt").write_text("")
    with pytest.raises(UsageError, match=name):
        run(tmp_path / name)


def test_a_bundle_says_which_file_it_needs_and_that_it_changed() -> None:
    recorded = [{"name": "my_layers.py", "sha256": "a" * 64}]
    with pytest.raises(ModelError, match=r"needs my_layers.py \(sha256 aaaaaaaaaaaa") as caught:
        require_imports(recorded, [], "bundle")
    assert caught.value.hint == "add --import my_layers.py"
    same, other = (ImportedFile("my_layers.py", digit * 64) for digit in "ab")
    require_imports(recorded, [other], "bundle")
    assert changed_imports(recorded, [same]) == ()
    (warning,) = changed_imports(recorded, [other])
    assert "aaaaaaaaaaaa" in warning and "bbbbbbbbbbbb" in warning


def test_own_layers_are_seen_without_keras(tmp_path) -> None:
    for name, layer in (("own", own("Scale")), ("plain", own("Dense", "keras.layers"))):
        with zipfile.ZipFile(tmp_path / f"{name}.keras", "w") as archive:
            archive.writestr("config.json", json.dumps({"config": {"layers": [layer]}}))
    assert has_own_layers(tmp_path / "own.keras")
    assert not has_own_layers(tmp_path / "plain.keras")

    def never() -> Any:
        raise AssertionError("Keras is not needed to refuse")

    with pytest.raises(EdgecnnError, match="Scale"):
        load_keras(tmp_path / "own.keras", importer=never)


def test_a_keras_file_under_the_other_name_is_told(tmp_path) -> None:
    path = tmp_path / "net.keras"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(20))
    assert damaged(path).hint == "rename it to net.h5"
