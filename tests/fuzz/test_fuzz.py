"""Broken models: compiled, or refused by one clear error, in bounded time and memory.

``EDGECNN_FUZZ_SEED`` and ``EDGECNN_FUZZ_COUNT`` try other mutants; so does
``python -m tests.fuzz.campaign``, without pytest.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("needs POSIX process limits", allow_module_level=True)

from tests.fuzz import campaign
from tests.fuzz.generated import run_all, sanitizing_compiler, summary
from tests.fuzz.judge import judge
from tests.fuzz.mutate import mutant
from tests.fuzz.seeds import own_seeds
from tests.fuzz.specimens import LARGE
from tests.share import long_but_for

SEED = int(os.environ.get("EDGECNN_FUZZ_SEED", "1"))
COUNT = os.environ.get("EDGECNN_FUZZ_COUNT")
SHORT, LONG = (int(COUNT), int(COUNT)) if COUNT else (150, 10_000)
PROGRAMS_SHORT, PROGRAMS_LONG = 6, 300
CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.tflite"))
LARGEST, TOTAL = 8_000, 500_000


def _judged(count: int, first: int, tmp_path: Path) -> campaign.Report:
    # The shared models are left out: the same cases everywhere.
    report = campaign.run(range(first, first + count), seed=SEED, shared=False)
    campaign.save_failures(report, tmp_path, seed=SEED, shared=False)
    assert not report.failures, f"{report.text()}\nmutants in {tmp_path}"
    assert len(report.results) == count
    # All ends must happen, else the mutations are too wild or too tame to test anything.
    for kind in ("compiled", "refused", "unsupported"):
        assert report.kinds.get(kind, 0) > count // 25, report.text()
    return report


def _programs(report: campaign.Report, count: int) -> None:
    compiler = sanitizing_compiler()
    if compiler is None:
        pytest.skip("no C compiler with sanitizers")
    compiled = [row["case"] for row in report.results if row["kind"] == "compiled"]
    chosen = compiled[:: max(1, len(compiled) // count)][:count]
    results = run_all(own_seeds(), SEED, chosen, compiler)
    assert set(results.values()) <= {"ok", "slow"}, summary(results)
    assert list(results.values()).count("ok") > len(chosen) // 2, summary(results)


@pytest.mark.timeout(1200)
def test_mutants_are_compiled_or_refused(tmp_path: Path) -> None:
    _programs(_judged(SHORT, 0, tmp_path), PROGRAMS_SHORT)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_mutants_are_compiled_or_refused(tmp_path: Path) -> None:
    _programs(_judged(LONG, 100_000, tmp_path), PROGRAMS_LONG)


def test_the_corpus_is_compiled_or_refused() -> None:
    report = campaign.run([str(path) for path in CORPUS])
    assert not report.failures, report.text()
    assert len(report.results) == len(CORPUS) > 0


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_large_specimens_are_compiled_or_refused(tmp_path: Path) -> None:
    files = []
    for name, make in LARGE.items():
        files.append(str(tmp_path / f"{name}.tflite"))
        Path(files[-1]).write_bytes(make())
    report = campaign.run(files, shared=False)
    assert not report.failures, report.text()
    assert report.kinds.keys() == {"compiled", "unsupported"}, report.text()


def test_the_corpus_is_small_and_described() -> None:
    described = (Path(__file__).parent / "corpus/README.md").read_text(encoding="utf-8")
    sizes = {path: path.stat().st_size for path in CORPUS}
    assert sum(sizes.values()) < TOTAL
    for path, size in sizes.items():
        assert size < LARGEST, path.name
        assert f"`{path.stem}`" in described, path.name


def test_a_case_is_always_the_same_bytes() -> None:
    assert all(mutant(own_seeds(), 7, k) == mutant(own_seeds(), 7, k) for k in range(40))


@pytest.mark.parametrize("part", long_but_for(range(4), 0))
def test_sound_models_are_compiled(part: int) -> None:
    """The judge finds nothing where nothing is wrong: its verdicts come from the mutations."""
    for name, data in list(own_seeds().items())[part::4]:
        outcome = judge(data, 1)
        assert outcome.kind == "compiled", (name, outcome)


def test_the_watchdog_sees_crashes_hangs_and_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers whose judge misbehaves on purpose: each case must come back as a failure."""
    bad = {
        "crash": "import os; os.kill(os.getpid(), 11)",
        "hang": "while True: pass",
        "memory": "import numpy; numpy.ones(150 << 20, numpy.uint8)",
        "raise": "raise ValueError('on purpose')",
    }
    script = tmp_path / "bad.py"
    script.write_text(
        "import sys\n"
        "from tests.fuzz import judge, worker\n"
        "from pathlib import Path\n"
        "worker.SECONDS = 2.0\n"
        "worker.MEMORY_BYTES = worker._peak_bytes() + (100 << 20)\n"
        "def compiled(data, number, renew):\n"
        "    exec(data.decode())\n"
        "    return judge.Outcome('compiled')\n"
        "judge._compiled, judge._command_line = compiled, lambda *a: None\n"
        "worker.main(sys.argv[1:])\n"
    )
    monkeypatch.setattr(campaign, "WORKER", (str(script),))
    monkeypatch.setenv("PYTHONPATH", str(campaign.ROOT))
    files = []
    for name, code in bad.items():
        files.append(str(tmp_path / f"{name}.txt"))
        Path(files[-1]).write_text(code, encoding="ascii")
    report = campaign.run(files, shared=False)
    places = {Path(row["case"]).stem: row["place"] for row in report.failures}
    assert set(places) == set(bad)
    assert "died with -11" in places["crash"]
    assert "processor time" in places["hang"]
    assert places["memory"] == "memory"
    assert "ValueError" in places["raise"]
