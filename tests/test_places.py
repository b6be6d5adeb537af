"""Places for files: written whole, named without secrets, nothing created by looking."""

import os
from pathlib import Path
from uuid import uuid4

import pytest

from dollarbill_core.storage import places
from dollarbill_core.storage.places import place_at, shown, write_whole


def opened(handle: int) -> str:
    """The path of an open file."""
    return os.readlink(f"/proc/self/fd/{handle}")


@pytest.fixture(params=["folder", "memory"])
def place(request, tmp_path):
    where = tmp_path / "store" if request.param == "folder" else f"memory://{uuid4()}/store"
    return place_at(where, tmp_path / "local")


def test_drafts_are_seen_under_their_names_only_once_they_are_published(place):
    names = {f"quotes/symbol={symbol}/1.parquet": symbol.encode() for symbol in ("SPY", "QQQ")}
    drafts = [(place.draft(name.rpartition("/")[0]), name) for name in names]
    for draft, name in drafts:
        draft.write_bytes(names[name])
    before = [place.content(name) for name in names]

    place.publish(drafts)
    place.publish([])

    assert before == [None, None]
    assert not [draft for draft, _ in drafts if draft.exists()]
    assert {name: place.content(name) for name in place.names()} == names
    assert place.size("quotes/symbol=SPY/1.parquet") == 3


def test_files_and_the_names_of_new_folders_are_on_disk_before_publishing_ends(
    tmp_path, monkeypatch
):
    kept = []
    keep = os.fsync
    monkeypatch.setattr(places.os, "fsync", lambda it: (kept.append(opened(it)), keep(it)))
    place = place_at(tmp_path)
    names = [f"quotes/symbol={symbol}/year=2021/1.parquet" for symbol in ("SPY", "QQQ")]
    drafts = [(place.draft(name.rpartition("/")[0]), name) for name in names]
    for draft, _ in drafts:
        draft.write_bytes(b"rows")

    place.publish(drafts)

    found = [Path(each).relative_to(tmp_path).as_posix() for each in kept]
    folders = [str(each) for name in names for each in list(Path(name).parents)[:-1]]
    assert set(found[:2]) == {f"{Path(name).parent.as_posix()}/.half" for name in names}
    assert sorted(found[2:]) == sorted(set(folders))


def test_content_is_replaced_and_removed_and_what_is_not_there_is_none(place):
    place.replace("catalog.json", b"old")
    place.replace("catalog.json", b"new")
    found = place.content("catalog.json")
    for _ in range(2):
        place.remove("catalog.json")

    assert found == b"new"
    assert (place.content("catalog.json"), place.size("catalog.json")) == (None, None)
    assert list(place.names()) == []


@pytest.mark.parametrize("own", [None, "caches"])
def test_caches_in_the_folder_are_none_of_its_files(tmp_path, own):
    place = place_at(tmp_path, own and tmp_path / own)
    for folder in (place.local, tmp_path / ".local"):
        write_whole(folder / "columns" / "x.parquet", b"")
    write_whole(tmp_path / "quotes" / "1.parquet", b"")
    write_whole(tmp_path / "catalog.json", b"{}")

    assert sorted(place.names()) == ["catalog.json", "quotes/1.parquet"]


def test_a_file_written_whole_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    steps = []
    keep, replace = os.fsync, os.replace
    monkeypatch.setattr(places.os, "fsync", lambda it: (steps.append(opened(it)), keep(it)))
    monkeypatch.setattr(
        places.os, "replace", lambda *names: (steps.append("named"), replace(*names))
    )

    write_whole(tmp_path / "catalog.json", b"{}")

    assert steps == [str(tmp_path / "catalog.json.half"), "named", str(tmp_path)]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://bucket/chains", "s3://bucket/chains"),
        ("sftp://jo:pa@ss@host/chains", "sftp://host/chains"),
        ("abfs://c@account.example/x?sig=abc", "abfs://account.example/x"),
    ],
)
def test_a_url_is_shown_without_user_password_and_query(url, said):
    assert shown(url) == said


def test_a_home_folder_is_meant_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    assert place_at("~/chains").name == str(tmp_path / "chains")
    for protocol in ("file", "local"):
        assert place_at(f"{protocol}://{tmp_path}/chains") == place_at(tmp_path / "chains")
