"""Targets are found by name, cheaply, and a broken plug-in is one warning."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from edgecnn.core.errors import TargetError, UnknownNameError
from targets import table
from targets.base import API
from tests.run import python

OURS = ("host", "pi5", "coral-usb", "ethos-u55-128")


@pytest.mark.parametrize("name", OURS)
def test_built_in_targets(name: str) -> None:
    target = table.get_target(name)
    assert target.name == name and target.api == table.API == API
    assert target.summary and target.capabilities.unit == "ms"


def test_names() -> None:
    assert table.target_names()[:6] == (*OURS, "cortex-m4", "cortex-m0plus")


@pytest.mark.parametrize(
    ("given", "near"), [("pi-5", "pi5"), ("coral", "coral-usb"), ("cortexm4", "cortex-m4")]
)
def test_unknown_name_has_the_nearest(given: str, near: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        table.get_target(given)
    assert caught.value.message == f"unknown target '{given}'"
    assert caught.value.hint.startswith(f"did you mean '{near}'? known: ")


def test_listing_names_is_cheap() -> None:
    code = (
        "import sys; from targets.table import target_names; target_names();"
        "bad = {'numpy', 'cv2', 'targets.base', 'ai_edge_litert'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    result = python("-c", code)
    assert result.returncode == 0, result.stderr


def make_good(name: str) -> SimpleNamespace:
    return SimpleNamespace(api=1, name=name)


def make_old(name: str) -> SimpleNamespace:
    return SimpleNamespace(api=7, name=name)


def make_broken(name: str) -> SimpleNamespace:
    raise RuntimeError("no such chip")


class FakePoint(SimpleNamespace):
    """An entry point that loads a function of this module."""

    def load(self):
        if self.factory is None:
            raise ImportError("gone")
        return self.factory


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        FakePoint(name=name, value=f"pkg:{name}", factory=factory)
        for name, factory in {
            "good": make_good,
            "old": make_old,
            "broken": make_broken,
            "gone": None,
            "misnamed": lambda name: SimpleNamespace(api=1, name="other"),
            "host": make_broken,
        }.items()
    ]
    monkeypatch.setattr(table, "entry_points", lambda group: points)
    # The builders of other rooms may not be there: only the plug-ins matter here.
    monkeypatch.setattr(table, "TARGETS", {"host": table.TARGETS["host"]})


@pytest.mark.usefixtures("plugins")
def test_plugins() -> None:
    assert table.target_names() == ("host", "good", "old", "broken", "gone", "misnamed")
    assert table.get_target("good").name == "good"
    # A plug-in cannot take a built-in name.
    assert table.get_target("host").summary
    with pytest.raises(TargetError, match="'broken' .* cannot be loaded: RuntimeError: no such"):
        table.get_target("broken")


@pytest.mark.usefixtures("plugins")
def test_broken_plugins_are_one_warning_each() -> None:
    said: list[str] = []
    assert [target.name for target in table.all_targets(said.append)] == ["host", "good"]
    assert said == [
        "the target plug-in 'old' (pkg:old) has api 7, this edgecnn needs 1",
        "the target plug-in 'broken' (pkg:broken) cannot be loaded: RuntimeError: no such chip",
        "the target plug-in 'gone' (pkg:gone) cannot be loaded: ImportError: gone",
        "the target plug-in 'misnamed' (pkg:misnamed) calls itself 'other'",
    ]


@pytest.mark.usefixtures("plugins")
def test_without_a_callable_they_are_python_warnings() -> None:
    with pytest.warns(RuntimeWarning, match="plug-in") as caught:
        table.all_targets()
    assert len(caught) == 4


def test_a_real_entry_point_loads() -> None:
    said: list[str] = []
    point = EntryPoint("host", "targets.host.target:make", table.GROUP)
    target = table._load(point, said.append)
    assert target is not None and target.name == "host" and said == []
