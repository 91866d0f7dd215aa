"""Events delivered by the real command line, with a broker and a web server that are real."""

import json
from pathlib import Path

import pytest

from tests.camera.events.models import colour_points, square_video
from tests.camera.events.servers import Broker, Hook, Subscriber, free_port, needs_mosquitto
from tests.run import in_process


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    red = (1, 1, 0, 0.9)
    return square_video(tmp_path / "clip.avi", [[red] if k > 3 else [] for k in range(12)])


def test_a_clip_is_delivered_in_one_command(tmp_path: Path, clip: Path) -> None:
    hook = Hook()
    url = f"http://127.0.0.1:{hook.port}/hook"
    log = tmp_path / "events.jsonl"
    model = colour_points(tmp_path)
    done = in_process("detect", *model, "--source", clip, "--events", log, "--webhook", url)
    hook.stop()
    assert done.returncode == 0, done.stderr
    assert [json.loads(body) for body in hook.bodies] == [
        json.loads(line) for line in log.read_text().splitlines()
    ]
    assert "4 lines in the log; webhook: 4 delivered" in done.stderr + done.stdout


@needs_mosquitto
def test_a_broker_and_a_server_get_the_same_and_one_that_is_missing_is_counted(
    tmp_path: Path, clip: Path
) -> None:
    model = colour_points(tmp_path)
    broker = Broker(tmp_path).start()
    subscriber = Subscriber(broker.port)
    ways = (
        *("--mqtt", f"mqtt://127.0.0.1:{broker.port}/door"),
        *("--webhook", f"http://127.0.0.1:{free_port()}/hidden"),
    )
    try:
        done = in_process("detect", *model, "--source", clip, *ways, "--json")
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout.splitlines()[-1])
        made = 4  # and the notices, as they come
        mqtt, webhook = (summary["deliveries"][way] for way in ("mqtt", "webhook"))
        assert mqtt["delivered"] == webhook["dropped"] >= made
        assert [mqtt["dropped"], webhook["delivered"], webhook["waiting"]] == [0, 0, 0]
        assert "note: http://127.0.0.1:" in done.stderr and "hidden" not in done.stderr
        kinds = [json.loads(payload)["event"] for payload in subscriber.payloads("door")]
        assert [kinds[0], kinds[-1]] == ["started", "ended"]
        assert len(kinds) == mqtt["delivered"]
    finally:
        subscriber.close()
        broker.stop()


def test_a_url_that_cannot_be_meant_ends_the_command(tmp_path: Path, clip: Path) -> None:
    model = colour_points(tmp_path)
    done = in_process("detect", *model, "--source", clip, "--webhook", "https://me:pw/x@host")
    assert done.returncode == 2
    assert "--webhook is no valid URL" in done.stderr and "pw" not in done.stderr
