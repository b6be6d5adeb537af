"""Downloads from a server that misbehaves: whole files or none, and one line that says why."""

import gzip
import hashlib
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dollarbill_core.sources.answers import DownloadFailed, GaveUp, NotThere
from dollarbill_core.sources.downloads import Download, Patience, download
from dollarbill_core.sources.unfinished import Kind
from tests.broken_server import (
    Site,
    cut_off_after,
    instead,
    moved_to,
    of_length,
    serving,
    trickle,
    with_head,
    with_status,
)

PATH = "/data/spy.parquet"
BODY = b"PAR1" + bytes(range(256)) * 2_000 + b"PAR1"
OTHER = b"PAR1" + bytes(range(255, -1, -1)) * 1_500 + b"PAR1"
# Short between attempts; within one there is time, however busy this machine is.
SHORT = Patience(attempts=3, first_wait=0.01, longest_wait=0.5, least_speed=1_000, deadline=60)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(Site({PATH: BODY})) as running:
        yield running


def fetched(site: Site, folder: Path, kind=Kind.PARQUET, path=PATH, **options) -> Download:
    to = folder / "spy.parquet"
    return download(site.url(path), to, kind, **{"patience": SHORT} | options)


def nothing_is_left(folder: Path) -> bool:
    return not list(folder.iterdir())


def test_a_file_comes_whole_with_its_checksum_and_its_progress(site, tmp_path):
    seen: list[tuple[int, int | None]] = []

    got = fetched(site, tmp_path / "new", progress=lambda *now: seen.append(now))

    assert got.path.read_bytes() == BODY
    assert (got.size, got.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    assert got.is_new
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["spy.parquet"]


def test_what_was_cut_off_goes_on_where_it_stopped(site, tmp_path):
    site.misdeeds[PATH] = [cut_off_after(200_000), cut_off_after(100_000)]

    got = fetched(site, tmp_path)

    assert got.path.read_bytes() == BODY
    assert site.ranges(PATH) == [None, "bytes=200000-", "bytes=300000-"]


def test_a_later_call_goes_on_where_the_last_one_gave_up(site, tmp_path):
    site.misdeeds[PATH] = [cut_off_after(100_000)] + [with_status(500)] * 2
    with pytest.raises(DownloadFailed, match="goes on from byte 100,000"):
        fetched(site, tmp_path, patience=Patience(attempts=3, first_wait=0.01, least_speed=1e9))
    assert not (tmp_path / "spy.parquet").exists()

    got = fetched(site, tmp_path)

    assert got.path.read_bytes() == BODY
    assert site.ranges(PATH)[-1] == "bytes=100000-"


def test_a_part_that_was_already_whole_is_put_in_place(site, tmp_path):
    site.misdeeds[PATH] = [cut_off_after(len(BODY) - 1)] + [with_status(500)] * 3
    with pytest.raises(DownloadFailed):
        fetched(site, tmp_path)
    with (tmp_path / "spy.parquet.part").open("ab") as part:
        part.write(BODY[-1:])

    assert fetched(site, tmp_path).path.read_bytes() == BODY


def test_a_server_without_ranges_starts_over(site, tmp_path):
    site.has_ranges = False
    site.misdeeds[PATH] = [cut_off_after(200_000)]

    assert fetched(site, tmp_path).path.read_bytes() == BODY


def test_a_server_that_cannot_tell_versions_is_asked_from_the_start(site, tmp_path):
    site.has_tags = False

    def half(handler, body):
        handler.close_connection = True
        handler.answer(200, body[:1000], {"Content-Length": str(len(body))})

    site.misdeeds[PATH] = [half]

    assert fetched(site, tmp_path).path.read_bytes() == BODY
    assert site.ranges(PATH) == [None, None]


def test_a_file_that_changed_in_between_starts_over(site, tmp_path):
    def change(handler, body):
        cut_off_after(200_000)(handler, body)
        site.files[PATH] = OTHER

    site.misdeeds[PATH] = [change]

    assert fetched(site, tmp_path).path.read_bytes() == OTHER


def test_the_part_of_another_address_is_not_taken_up(site, tmp_path):
    site.files["/other.parquet"] = OTHER
    site.misdeeds[PATH] = [cut_off_after(200_000)] + [with_status(500)] * 3
    with pytest.raises(DownloadFailed):
        fetched(site, tmp_path)

    assert fetched(site, tmp_path, path="/other.parquet").path.read_bytes() == OTHER
    assert site.ranges("/other.parquet") == [None]


def test_the_wrong_part_is_not_joined_on(site, tmp_path):
    def wrong_part(handler, body):  # as long as the one that was asked for
        left = len(body) - 200_000
        span = f"bytes 5-{left + 4}/{len(body)}"
        handler.answer(206, body[5 : left + 1] + b"PAR1", {"Content-Range": span})

    site.misdeeds[PATH] = [cut_off_after(200_000), wrong_part]

    assert fetched(site, tmp_path).path.read_bytes() == BODY


def test_a_part_that_is_too_long_is_not_kept(site, tmp_path):
    def long_part(handler, body):
        span = f"bytes 200000-{len(body) - 1}/{len(body)}"
        handler.answer(206, body[200_000:] + b"PAR1", {"Content-Range": span})

    site.misdeeds[PATH] = [cut_off_after(200_000), long_part]

    assert fetched(site, tmp_path).path.read_bytes() == BODY


def test_a_part_that_comes_compressed_is_not_joined_on(site, tmp_path):
    def packed_part(handler, body):
        left = gzip.compress(bytes(len(body) - 200_004) + b"PAR1")
        span = f"bytes 200000-{len(body) - 1}/{len(body)}"
        handler.answer(206, left, {"Content-Range": span, "Content-Encoding": "gzip"})

    site.misdeeds[PATH] = [cut_off_after(200_000), packed_part]

    assert fetched(site, tmp_path).path.read_bytes() == BODY
    assert site.ranges(PATH) == [None, "bytes=200000-", None]


def test_an_unchanged_file_is_not_fetched_again(site, tmp_path):
    first = fetched(site, tmp_path)

    second = fetched(site, tmp_path, known=first)
    site.files[PATH] = OTHER
    third = fetched(site, tmp_path, known=second)

    assert (second.is_new, second.sha256) == (False, first.sha256)
    assert third.is_new
    assert third.path.read_bytes() == OTHER


def test_a_server_that_stumbles_twice_is_asked_a_third_time(site, tmp_path):
    site.misdeeds[PATH] = [with_status(500), with_status(502)]

    assert fetched(site, tmp_path).path.read_bytes() == BODY


def test_a_server_that_asks_for_a_pause_gets_it(site, tmp_path):
    patience = Patience(attempts=2, first_wait=0.0, longest_wait=3.0)
    site.misdeeds[PATH] = [with_status(429, Retry_After="1")]
    before = time.monotonic()

    fetched(site, tmp_path, patience=patience)

    assert time.monotonic() - before >= 1.0


def test_a_pause_may_be_an_instant_of_the_past(site, tmp_path):
    told = with_status(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")
    site.misdeeds[PATH] = [told]

    assert fetched(site, tmp_path).is_new


# What each server does, and the one line it ends in.
FINAL = [
    pytest.param([with_status(500)] * 9, "answers 500 .3 attempts.; run the same", id="500"),
    pytest.param([with_status(429, Retry_After="600")], "429; run .* in 600 seconds", id="429"),
    pytest.param([with_status(403)], "refuses us .403.; it may block", id="403"),
    pytest.param([with_status(418)], "answers 418; check the address", id="418"),
    pytest.param([with_status(304)], "304 unasked", id="304"),
    pytest.param(
        [instead(b"<html>sign in</html>", Content_Type="text/html; charset=utf-8")],
        "a web page came instead of Parquet; open the address",
        id="a web page",
    ),
    pytest.param(
        [instead(b"\n<!DOCTYPE html>", Content_Type="application/octet-stream")],
        "a web page came instead of Parquet",
        id="a web page in disguise",
    ),
    pytest.param([instead(b"date,open\n1,2\n")], "what came is not Parquet", id="CSV"),
    pytest.param([instead(b"")], "nothing came instead of Parquet", id="nothing"),
    pytest.param([instead(BODY[:-4])], "the Parquet file lacks its end", id="no end"),
    pytest.param([of_length(len(BODY) - 9)], "lacks its end", id="claims too few bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("misdeeds", "why"), FINAL)
def test_what_is_not_the_file_is_told_in_one_line_and_leaves_nothing(
    site, tmp_path, misdeeds, why
):
    site.misdeeds[PATH] = list(misdeeds)

    with pytest.raises(DownloadFailed, match=why) as told:
        fetched(site, tmp_path)

    text = str(told.value)
    assert text.startswith(f"{site.address.removeprefix('http://')}{PATH}: ")
    assert "\n" not in text
    assert told.value.exit_code == 3
    assert nothing_is_left(tmp_path)


OK, BUSY, PART = b"HTTP/1.1 200 OK", b"HTTP/1.1 503 Busy", b"HTTP/1.1 206 Part"
STRANGE = [
    pytest.param([BUSY, b"Retry-After: \xb2", b"Content-Length: 0"], id="pause of no digits"),
    pytest.param([BUSY, b"Retry-After: " + b"9" * 5000], id="pause of many digits"),
    pytest.param(
        [BUSY, b"Retry-After: Fri, 31 Dec 9999 23:59:59 -1200", b"Content-Length: 0"],
        id="pause beyond all dates",
    ),
    pytest.param([PART, b"Content-Range: bytes \xb2-9/\xb9"], id="span of no digits"),
    pytest.param([PART, b"Content-Range: bytes 0-9/" + b"9" * 5000], id="many digits"),
    pytest.param([OK, b"Content-Length: -5"], id="negative length"),
    pytest.param([OK, b"Content-Encoding: gzip", b"Content-Length: 3"], id="no gzip"),
    pytest.param([OK, b"Transfer-Encoding: chunked"], id="no chunk"),
    pytest.param([b"HTTP/1.1 302 There", b"Location: //\xff\xfe:x/"], id="no letters"),
    pytest.param([b"HTTP/1.1 302 There", b"Location: file:///etc/passwd"], id="a local file"),
    pytest.param([b"HTTP/1.1 302 There", b"Location: ftp://127.0.0.1/spy"], id="not HTTP"),
    pytest.param([b"ICY 200 OK"], id="not HTTP at all"),
    pytest.param([b"HTTP/1.1 99999999 OK"], id="no status"),
    pytest.param([OK, *[b"X-%d: x" % n for n in range(200)]], id="too many headers"),
]


@pytest.mark.parametrize("head", STRANGE)
def test_whatever_a_server_says_it_ends_in_one_line(site, tmp_path, head):
    site.misdeeds[PATH] = [with_head(*head, body=b"zzz")] * 9

    with pytest.raises(DownloadFailed) as told:
        fetched(site, tmp_path)

    assert "\n" not in str(told.value) and len(str(told.value)) < 250
    assert not (tmp_path / "spy.parquet").exists()
    site.misdeeds[PATH] = []
    assert fetched(site, tmp_path).path.read_bytes() == BODY


def test_a_length_that_is_too_great_ends_in_one_line(site, tmp_path):
    site.has_ranges = False
    site.misdeeds[PATH] = [of_length(len(BODY) + 9)] * 9

    with pytest.raises(DownloadFailed, match=r"broke after .* bytes|cut off at"):
        fetched(site, tmp_path)

    assert not (tmp_path / "spy.parquet").exists()


def test_no_such_file_is_told_apart(site, tmp_path):
    with pytest.raises(NotThere, match=r"there is no such file \(404\); check its name"):
        fetched(site, tmp_path, path="/data/dia.parquet")

    assert nothing_is_left(tmp_path)
    assert len(site.asked) == 1


def test_redirects_are_followed_to_an_end(site, tmp_path):
    site.misdeeds["/old"] = [moved_to(PATH)]
    site.misdeeds["/loop"] = [moved_to("/loop")] * 99

    assert fetched(site, tmp_path, path="/old").path.read_bytes() == BODY
    with pytest.raises(DownloadFailed, match="sends on and on, more than 5 times"):
        fetched(site, tmp_path, path="/loop")


def test_another_checksum_is_refused_and_the_old_file_stays(site, tmp_path):
    (tmp_path / "spy.parquet").write_bytes(b"old")

    with pytest.raises(DownloadFailed, match="checksum is not the published one"):
        fetched(site, tmp_path, sha256=hashlib.sha256(OTHER).hexdigest())
    assert (tmp_path / "spy.parquet").read_bytes() == b"old"

    got = fetched(site, tmp_path, sha256=hashlib.sha256(BODY).hexdigest().upper())
    assert got.path.read_bytes() == BODY


def test_a_trickle_is_given_up_and_the_next_attempt_is_whole(site, tmp_path):
    site.misdeeds[PATH] = [trickle(pause=0.02, times=100_000)]  # half an hour, if waited out
    patience = replace(SHORT, slow_after=0.2, least_speed=5_000)

    assert fetched(site, tmp_path, patience=patience).path.read_bytes() == BODY


def test_an_endless_trickle_ends_in_one_line(site, tmp_path):
    site.has_ranges = False
    site.misdeeds[PATH] = [trickle(pause=0.02)] * 9
    patience = replace(SHORT, slow_after=0.2, least_speed=5_000)

    with pytest.raises(DownloadFailed, match=r"only \d+ bytes a second came \(3 attempts\)"):
        fetched(site, tmp_path, patience=patience)


def test_a_host_that_says_nothing_is_asked_twice_and_told_as_silent(tmp_path):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        address = f"http://127.0.0.1:{mute.getsockname()[1]}/spy"

        with pytest.raises(GaveUp, match=r"nothing more came .* \(2 attempts\)") as told:
            download(
                address,
                tmp_path / "spy",
                Kind.CSV,
                patience=replace(SHORT, read=0.3, attempts=9),
            )

    assert told.value.is_silent


def test_a_host_that_lets_nobody_in_is_asked_once(tmp_path):
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):  # more than the queue holds, so that no other gets in
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        address = f"http://127.0.0.1:{full.getsockname()[1]}/spy"

        with pytest.raises(GaveUp, match=r"no connection in time: no network.*; conn") as told:
            download(address, tmp_path / "spy", Kind.CSV, patience=replace(SHORT, connect=0.3))

    assert told.value.is_silent


def test_a_host_that_answers_is_not_called_silent(site, tmp_path):
    site.misdeeds[PATH] = [with_status(500)] * 9

    with pytest.raises(GaveUp) as told:
        fetched(site, tmp_path)

    assert not told.value.is_silent and len(site.asked) == SHORT.attempts


def test_silence_is_given_up(site, tmp_path):
    site.has_ranges = False
    site.misdeeds[PATH] = [trickle(pause=10.0)] * 9
    patience = replace(SHORT, read=1.0, attempts=1)

    with pytest.raises(DownloadFailed, match=r"nothing more came after [01] bytes"):
        fetched(site, tmp_path, patience=patience)


def test_the_deadline_holds_however_much_each_attempt_brings(site, tmp_path):
    site.misdeeds[PATH] = [trickle(pause=0.01, count=1000, times=30)] * 99
    patience = Patience(first_wait=0.01, slow_after=0.05, least_speed=100, deadline=0.6)
    site.has_ranges = False

    with pytest.raises(DownloadFailed):  # each of the 99 brings its fair part
        fetched(site, tmp_path, patience=patience)

    assert len(site.asked) < 50


def test_attempts_that_bring_a_fair_part_are_not_counted(site, tmp_path):
    site.misdeeds[PATH] = [cut_off_after(50_000)] * 9

    assert fetched(site, tmp_path).path.read_bytes() == BODY
    assert len(site.asked) == 10


def know_only_loopback(monkeypatch) -> None:
    """Names are looked up here alone: no question leaves this machine."""
    look_up = socket.getaddrinfo

    def known(host, *rest, **more):
        if host in ("127.0.0.1", "localhost"):
            return look_up(host, *rest, **more)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", known)


def closed_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (f"http://127.0.0.1:{closed_port()}/spy", "nobody answers there: no network"),
        ("http://no-such-host.invalid/spy", "its name cannot be looked up: no network"),
    ],
    ids=["nobody listens", "nobody knows the name"],
)
def test_offline_is_told_at_once_in_one_line(monkeypatch, tmp_path, address, why):
    monkeypatch.setenv("NO_PROXY", "*")
    know_only_loopback(monkeypatch)
    before = time.monotonic()

    with pytest.raises(DownloadFailed, match=f"{why}.*; connect this machine") as told:
        download(address, tmp_path / "spy", Kind.CSV)

    assert "\n" not in str(told.value)
    assert time.monotonic() - before < 15.0
    assert nothing_is_left(tmp_path)


@pytest.mark.parametrize("address", ["spy.parquet", "http://", "http://[half/spy"])
def test_what_is_no_address_is_told(tmp_path, address):
    with pytest.raises(DownloadFailed, match="is no address"):
        download(address, tmp_path / "spy", Kind.CSV)


def test_no_secret_of_the_address_is_shown(site, tmp_path):
    address = site.url("/none").replace("http://", "http://me:hunter2@") + "?key=swordfish"

    with pytest.raises(DownloadFailed) as told:
        download(address, tmp_path / "spy", Kind.CSV, patience=SHORT)
    site.misdeeds[PATH] = [cut_off_after(1000)] + [with_status(500)] * 9
    with pytest.raises(DownloadFailed):
        fetched(site, tmp_path, path=f"{PATH}?key=swordfish")

    kept = (tmp_path / "spy.parquet.part.json").read_text()
    assert not any(word in f"{told.value}{kept}" for word in ("hunter2", "swordfish", "me:"))


def test_two_processes_do_not_write_one_file(site, tmp_path):
    def meanwhile(*_):
        with pytest.raises(DownloadFailed, match="another process is fetching it; wait"):
            fetched(site, tmp_path)

    assert fetched(site, tmp_path, progress=meanwhile).path.read_bytes() == BODY


def test_a_disk_that_fills_up_is_told_and_the_old_file_stays(site, tmp_path):
    (tmp_path / "spy.parquet").write_bytes(b"old")
    code = (
        "import resource, sys; from pathlib import Path; "
        "from dollarbill_core.sources.downloads import download; "
        "from dollarbill_core.sources.unfinished import Kind; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "download(sys.argv[1], Path(sys.argv[2]), Kind.PARQUET)"
    )

    full = subprocess.run(
        [sys.executable, "-c", code, site.url(PATH), str(tmp_path / "spy.parquet")],
        capture_output=True,
        text=True,
    )

    assert "cannot be written: File too large; free space or choose" in full.stderr
    assert (tmp_path / "spy.parquet").read_bytes() == b"old"
    assert fetched(site, tmp_path).path.read_bytes() == BODY


def test_a_folder_that_cannot_be_written_is_told(site, tmp_path):
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(DownloadFailed, match=r"cannot be written: .*; free space or choose"):
        fetched(site, tmp_path / "file")


@pytest.mark.parametrize(
    ("kind", "body", "is_fine"),
    [
        (Kind.CSV, b"\xef\xbb\xbfDate,1 Mo\n", True),
        (Kind.CSV, b"<?xml version='1.0'?><Error/>", False),
        (Kind.CSV, b"PAR1\0\0\0\0", False),
        (Kind.JSON, b' {"refRates": []}', True),
        (Kind.JSON, b"Date,1 Mo\n", False),
    ],
)
def test_text_is_looked_at_too(site, tmp_path, kind, body, is_fine):
    site.files["/text"] = body

    if is_fine:
        assert fetched(site, tmp_path, kind, "/text").path.read_bytes() == body
    else:
        with pytest.raises(DownloadFailed, match=f"came instead of {kind}|is not {kind}"):
            fetched(site, tmp_path, kind, "/text")


def test_what_comes_compressed_all_the_same_is_unpacked(site, tmp_path):
    packed = gzip.compress(b"Date,1 Mo\n" * 1000)
    site.misdeeds["/text"] = [instead(packed, Content_Encoding="gzip", ETag='"packed"')]

    got = fetched(site, tmp_path, Kind.CSV, "/text")

    assert got.path.read_bytes() == b"Date,1 Mo\n" * 1000


def test_what_comes_compressed_is_never_gone_on_with_but_fetched_anew(site, tmp_path):
    text = b"".join(b"%d,1.5\n" % number for number in range(20_000))
    packed = gzip.compress(text)

    def cut(handler, body):
        handler.close_connection = True
        length = {"Content-Length": str(len(packed)), "Content-Encoding": "gzip"}
        handler.answer(200, packed[:10_000], length | {"ETag": '"one"'})

    site.misdeeds["/text"] = [cut, instead(packed, Content_Encoding="gzip", ETag='"one"')]

    got = fetched(site, tmp_path, Kind.CSV, "/text")

    assert got.path.read_bytes() == text
    assert site.ranges("/text") == [None, None]
