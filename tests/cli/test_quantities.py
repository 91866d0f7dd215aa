import click
import pytest

from edgecnn.cli.quantities import DURATION, SIZE


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10), ("0.5s", 0.5), ("500ms", 0.5), ("10m", 600), ("2 h", 7200), ("1d", 86400),
     ("1e2", 100), (" 3min ", 180), (4, 4), ("0", 0)],
)  # fmt: skip
def test_times(text: object, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("2G", 2 << 30), ("2GB", 2 << 30), ("2 GiB", 2 << 30), ("1.5k", 1536),
     ("7B", 7), (5, 5), ("1T", 1 << 40)],
)  # fmt: skip
def test_sizes(text: object, size: int) -> None:
    assert SIZE.convert(text, None, None) == size


@pytest.mark.parametrize(
    "text", ["", "s", "-1", "-1s", "nan", "inf", "1y", "1s2", "ten", "1M", "1,5"]
)
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"is no time, for example 0.5s"):
        DURATION.convert(text, None, None)
    if text != "1M":
        with pytest.raises(click.BadParameter, match="is no size, for example 512M"):
            SIZE.convert(text, None, None)
