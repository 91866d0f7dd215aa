from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from edgecnn.core.errors import DataError
from edgecnn.data import archive
from edgecnn.data.archive import ArchiveFiles
from tests.data.pictures import class_files, encoded, write_tar, write_zip


@pytest.mark.parametrize("name", ["../out.png", "a/../../out.png", "/etc/out.png", "C:\\out.png"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_path_that_leads_out_refuses_the_archive(tmp_path, name, kind):
    files = {**class_files({"a": 2}), name: encoded(1)}
    path = tmp_path / f"x.{'zip' if kind == 'zip' else 'tar.gz'}"
    write_zip(path, files) if kind == "zip" else write_tar(path, files, "w:gz")
    with pytest.raises(DataError, match="leads out of the archive"):
        ArchiveFiles(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_refuse_the_archive(tmp_path, kind):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as out:
        info = tarfile.TarInfo("a/1.png")
        info.type, info.linkname = kind, "/etc/passwd"
        out.addfile(info)
    with pytest.raises(DataError, match="a link or a device"):
        ArchiveFiles(path)


def test_a_zip_link_refuses_the_archive(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as out:
        info = zipfile.ZipInfo("a/1.png")
        info.external_attr = 0o120777 << 16
        out.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        ArchiveFiles(path)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_bombs_are_bounded(tmp_path, monkeypatch, kind):
    files = {"a/1.png": b"\0" * 5000, "a/2.png": b"\0" * 500}
    path = tmp_path / ("x.zip" if kind == "zip" else "x.tar.xz")
    write_zip(path, files) if kind == "zip" else write_tar(path, files)
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 4000)
    with pytest.raises(DataError, match="'a/1.png' is over"):
        ArchiveFiles(path)
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 6000)
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 5100)
    with pytest.raises(DataError, match="holds over"):
        ArchiveFiles(path)


@pytest.mark.parametrize("name", ["x.tar.xz", "x.tar.gz", "x.zip"])
@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty"])
def test_damaged_archives_are_one_line(tmp_path, name, damage):
    path = tmp_path / name
    files = class_files({"a": 3, "b": 3})
    if name.endswith("zip"):
        write_zip(path, files)
    else:
        write_tar(path, files, "w:xz" if name.endswith("xz") else "w:gz")
    raw = path.read_bytes()
    path.write_bytes(
        {"garbage": b"garbage" * 99, "truncated": raw[: len(raw) // 2], "empty": b""}[damage]
    )
    with pytest.raises(DataError, match="cannot be read") as caught:
        ArchiveFiles(path)
    assert "\n" not in caught.value.message


def test_other_files_and_litter_are_left_alone(tmp_path):
    files = {**class_files({"a": 1}), "README.md": b"x", "__MACOSX/a/._0.png": b"x"}
    buffer = io.BytesIO(write_zip(tmp_path / "x.zip", files).read_bytes())
    assert buffer.getbuffer().nbytes
    assert ArchiveFiles(tmp_path / "x.zip").images == ("a/0.png",)
