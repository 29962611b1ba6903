"""The model of a disk that loses power; and a recording says all that was done to the files."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from _power import workload
from _power.disk import MODELS, SECTOR, Disk, Files
from _power.log import Log, Op
from _power.workload import SHAPES, Scene, record

NAME = "jobs.db"
SEEDS = range(40)


def images(
    log: Iterable[Op], initial: Mapping[str, bytes] = {}, models: Iterable[str] = MODELS
) -> list[Files]:
    disk = Disk(dict(initial))
    for number, op in enumerate(log):
        disk.advance(number, op)
    return [disk.image(model, random.Random(seed)) for model in models for seed in SEEDS]


def contents(log: Iterable[Op], initial: bytes, *models: str) -> set[bytes]:
    return {files[NAME] for files in images(log, {NAME: initial}, models or MODELS)}


def test_what_was_synced_is_there_whatever_was_lost() -> None:
    log = [Op("write", NAME, 2, b"synced"), Op("truncate", NAME, 6), Op("sync", NAME, 2)]
    assert contents(log, b"0123456789") == {b"01sync"}


def test_what_was_written_during_a_sync_may_be_lost() -> None:
    log = [Op("write", NAME, 0, b"a"), Op("write", NAME, 1, b"b"), Op("sync", NAME, 1)]
    assert contents(log, b"", "lost") == {b"a"}
    assert contents(log, b"", "kept") == {b"ab"}
    assert contents(log, b"", "subset") == {b"a", b"ab"}
    assert contents(log, b"", "grown") == {b"a\0"}


def test_writes_may_be_lost_in_any_order() -> None:
    log = [Op("write", NAME, n, bytes([n])) for n in range(1, 4)]
    found = {content.ljust(4, b"\0") for content in contents(log, b"\0", "subset")}
    assert found == {
        bytes([0, a, b, c]) for a in (0, 1) for b in (0, 2) for c in (0, 3)
    }  # fmt: skip


@pytest.mark.parametrize("model", ["torn", "garbage", "sectors"])
def test_a_write_is_torn_at_sectors_and_harms_nothing_beside_it(model: str) -> None:
    begin, end = SECTOR - 100, 3 * SECTOR + 50
    before, after = bytes(4 * SECTOR), bytearray(4 * SECTOR)
    after[begin:end] = b"\1" * (end - begin)
    torn = 0
    for content in contents([Op("write", NAME, begin, b"\1" * (end - begin))], before, model):
        assert content[:begin] == before[:begin]
        assert content[end:] == before[end:]
        for sector in range(0, 4 * SECTOR, SECTOR):
            piece = slice(max(sector, begin), min(sector + SECTOR, end))
            whole = content[piece] in (before[piece], after[piece])
            assert whole or model != "torn"
            torn += not whole or content[piece] != after[piece]
    assert torn


def test_a_file_that_was_cut_or_deleted_may_be_as_before() -> None:
    cut, deleted = [Op("truncate", NAME, 1)], [Op("delete", NAME)]
    assert contents(cut, b"abc", "undone", "lost") == {b"abc"}
    assert contents(cut, b"abc", "kept") == {b"a"}
    assert images(deleted, {NAME: b"abc"}, ["undone", "lost"]) == 2 * len(SEEDS) * [{NAME: b"abc"}]
    assert not any(images(deleted, {NAME: b"abc"}, ["kept"]))
    synced = [*deleted, Op("sync folder", "", 1)]
    assert not any(images(synced, {NAME: b"abc"}))


def test_a_new_file_is_there_for_certain_once_its_folder_was_synced() -> None:
    made = [Op("create", NAME), Op("write", NAME, 0, b"a"), Op("sync", NAME, 2)]
    assert {NAME in files for files in images(made)} == {True, False}
    assert images([*made, Op("sync folder", "", 3)]) == len(MODELS) * len(SEEDS) * [{NAME: b"a"}]


def test_a_name_that_changed_while_its_folder_was_synced_may_be_as_before() -> None:
    log = [Op("delete", NAME), Op("sync folder", "", 0)]
    assert {NAME in files for files in images(log, {NAME: b"abc"})} == {True, False}


def test_a_name_stands_for_the_old_file_or_for_the_new_one() -> None:
    log = [Op("delete", NAME), Op("create", NAME), Op("write", NAME, 0, b"new")]
    found = {files.get(NAME) for files in images([*log, Op("sync", NAME, 3)], {NAME: b"old"})}
    assert found == {b"old", b"new", None}


def test_what_is_in_a_folder_that_is_lost_is_lost() -> None:
    log = [Op("create", "a/"), Op("create", "a/b"), Op("sync folder", "a/", 2)]
    for files in images(log):
        assert ("a/" in files) == ("a/b" in files)
    assert all("a/b" in files for files in images([*log, Op("sync folder", "", 3)]))


@pytest.mark.parametrize("shape", list(SHAPES))
def test_a_recording_says_all_that_was_done_to_the_files(
    tmp_path: Path, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Files = {}

    def noted(scene: Scene) -> None:
        SHAPES[shape](scene)
        with scene.log.mutex:  # nothing is written meanwhile
            scene.log.close()
            for path in scene.folder.rglob("*"):
                name = str(path.relative_to(scene.folder))
                if path.is_dir():
                    real[f"{name}/"] = b""
                elif (
                    path.name != "reserve" and not name.startswith("old.db") and name[-4:] != "-shm"
                ):
                    real[name] = path.read_bytes()

    monkeypatch.setitem(workload.SHAPES, "noted", noted)
    log = record(tmp_path, "noted", 3)
    disk = Disk(log.initial)
    for number, entry in enumerate(log.entries):
        if isinstance(entry, Op):
            disk.advance(number, entry)
    assert disk.image("kept", random.Random(0)) == real


def test_a_log_is_read_as_it_was_saved(tmp_path: Path) -> None:
    log = Log({NAME: bytes(range(256))}, "normal", [Op("write", NAME, 7, b"\0\xff")])
    log.tell("accepted", [["id", 1], ["other", None]])
    log.save(tmp_path / "log.gz", point=2)
    read, more = Log.load(tmp_path / "log.gz")
    assert (read.initial, read.durability, more) == (log.initial, "normal", {"point": 2})
    assert read.entries == log.entries
