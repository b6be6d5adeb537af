"""Places for files: written whole, named without secrets, nothing created by looking."""

from uuid import uuid4

import pytest

from dollarbill_core.storage.places import place_at, shown, write_whole


@pytest.fixture(params=["folder", "memory"])
def place(request, tmp_path):
    where = tmp_path / "store" if request.param == "folder" else f"memory://{uuid4()}/store"
    return place_at(where, tmp_path / "local")


def test_a_draft_is_seen_under_its_name_only_once_it_is_published(place):
    draft = place.draft("quotes/symbol=SPY")
    draft.write_bytes(b"rows")
    before = place.content("quotes/symbol=SPY/1.parquet")

    place.publish(draft, "quotes/symbol=SPY/1.parquet")

    assert before is None
    assert not draft.exists()
    assert place.content("quotes/symbol=SPY/1.parquet") == b"rows"
    assert place.size("quotes/symbol=SPY/1.parquet") == 4
    assert list(place.names()) == ["quotes/symbol=SPY/1.parquet"]


def test_content_is_replaced_and_removed_and_what_is_not_there_is_none(place):
    place.replace("catalog.json", b"old")
    place.replace("catalog.json", b"new")
    found = place.content("catalog.json")
    for _ in range(2):
        place.remove("catalog.json")

    assert found == b"new"
    assert (place.content("catalog.json"), place.size("catalog.json")) == (None, None)
    assert list(place.names()) == []


def test_caches_in_the_folder_are_none_of_its_files(tmp_path):
    place = place_at(tmp_path)
    write_whole(place.local / "columns" / "x", b"")
    write_whole(tmp_path / "catalog.json", b"{}")

    assert list(place.names()) == ["catalog.json"]


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
    assert place_at(f"file://{tmp_path}/chains").name == str(tmp_path / "chains")
