"""Files fetched over HTTP: resumed where they stopped, checked whole, put in place at once."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dollarbill_core import __version__
from dollarbill_core.sources.answers import (
    MOST_REDIRECTS,
    DownloadFailed,
    GaveUp,
    Passing,
    check_status,
    in_words,
    is_as_sent,
    raise_if_final,
    span_of,
    validator_of,
)
from dollarbill_core.sources.unfinished import Busy, Kind, Unfinished, fault, unfinished

if TYPE_CHECKING:  # requests takes 0.1 s to load: only who downloads pays
    from requests import Response, Session
    from tenacity import RetryCallState

Progress = Callable[[int, int | None], None]

_CHUNK = 1 << 20  # bytes
_UNANSWERED = 2  # attempts at a host that says nothing
_AGENT = f"dollarbill/{__version__}"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a download may take; seconds.

    Attributes
    ----------
    connect, read
        Until a connection stands; without a byte.
    attempts
        One after another that bring next to nothing; two while the host has not answered at
        all. Whatever brings a fair part is not counted: it goes on from there.
    first_wait, longest_wait
        Between attempts: doubled each time, at random from half to the whole. A server that
        asks for a longer pause than the longest is told about instead.
    slow_after, least_speed
        An attempt that gets fewer bytes a second over so many seconds is given up.
    deadline
        For all attempts together.
    """

    connect: float = 5.0
    read: float = 30.0
    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 120.0
    slow_after: float = 30.0
    least_speed: float = 2_000.0
    deadline: float = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Download:
    """A whole file as it was fetched; given as ``known``, only a changed one is fetched again.

    ``is_new`` is False where the server said that nothing has changed since.
    """

    path: Path
    size: int
    sha256: str
    etag: str | None = None
    last_modified: str | None = None
    is_new: bool = True


def download(
    url: str,
    to: Path,
    kind: Kind,
    *,
    sha256: str | None = None,
    known: Download | None = None,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> Download:
    """One file, whole and of its kind, or none.

    Bytes are gathered in ``<to>.part``. Whatever ends a download, the next call for the same
    URL goes on from there, unless the server's file has changed since (ETag, Last-Modified);
    then, or where the server cannot tell, it starts over. ``to`` appears, or is replaced, only
    once length, kind and checksum are right.

    Parameters
    ----------
    url, to, kind
        Where it is, where it goes (folders are made), what it must look like.
    sha256
        Hexadecimal; another file than this one is refused.
    known
        What was fetched before: answered with ``is_new`` False while it is still the same.
    progress
        Called with the bytes there are and the total, None if unknown.

    Raises
    ------
    NotThere
        If the server says 404 or 410.
    DownloadFailed
        For anything else, offline included.
    """
    patience = patience or Patience()
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(to, url) as part, _session() as session:
            job = _Transfer(url, to, kind, sha256, known, patience, progress, part)
            return job.run(session)
    except Busy:
        todo = "wait until it ends"
        raise DownloadFailed(url, "another process is fetching it", todo) from None
    except OSError as error:
        todo = "free space or choose another folder, then run the same command again"
        why = f"{to.name} cannot be written: {error.strerror or type(error).__name__}"
        raise DownloadFailed(url, why, todo) from None


@contextmanager
def _session() -> Iterator["Session"]:
    from requests import Session

    with Session() as session:
        session.max_redirects = MOST_REDIRECTS
        # Compressed on the way, bytes could be neither counted nor resumed.
        session.headers.update({"User-Agent": _AGENT, "Accept-Encoding": "identity"})
        yield session


@dataclass(slots=True)
class _Transfer:
    """One download over all its attempts."""

    url: str
    to: Path
    kind: Kind
    sha256: str | None
    known: Download | None
    patience: Patience
    progress: Progress | None
    part: Unfinished
    started: float = field(default_factory=time.monotonic)
    fruitless: int = 0
    attempts: int = 0
    has_answered: bool = False

    def run(self, session: "Session") -> Download:
        """Attempt after attempt until the file is whole, or none is left."""
        from tenacity import Retrying, retry_if_exception_type

        retrying = Retrying(
            retry=retry_if_exception_type(Passing),
            wait=self._wait,
            stop=self._is_over,
            reraise=True,
        )
        try:
            return retrying(self._attempt, session)
        except Passing as last:
            tried = f"{last} ({self.attempts} attempts)"
            silent = not self.has_answered
            raise GaveUp(self.url, tried, self._todo(), is_silent=silent) from None

    def _todo(self) -> str:
        if self.part.validator and self.part.size:
            return f"run the same command again: it goes on from byte {self.part.size:,}"
        return "run the same command again later"

    def _wait(self, state: "RetryCallState") -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Passing) and error.after is not None:
            return error.after
        doubled = self.patience.first_wait * 2.0 ** max(self.fruitless - 1, 0)
        longest = max(min(self.patience.longest_wait, self._seconds_left()), 0.0)
        return min(doubled, longest) * random.uniform(0.5, 1.0)

    def _is_over(self, state: "RetryCallState") -> bool:
        most = self.patience.attempts if self.has_answered else _UNANSWERED
        return self.fruitless >= most or self._seconds_left() <= 0

    def _seconds_left(self) -> float:
        return self.started + self.patience.deadline - time.monotonic()

    def _attempt(self, session: "Session") -> Download:
        before = self.part.size
        self.attempts += 1
        try:
            return self._exchange(session)
        except Passing:
            fair = self.patience.least_speed * self.patience.slow_after
            gained = self.part.size - before
            self.fruitless = 0 if gained >= fair else self.fruitless + 1
            raise

    def _exchange(self, session: "Session") -> Download:
        """Ask, and keep what is answered."""
        import requests
        import urllib3

        try:
            with ExitStack() as answers:  # all are closed: one with a bad redirect as well

                def keep(answer: "Response", **_: object) -> None:
                    answers.callback(answer.close)

                response = session.get(
                    self.url,
                    headers=self._headers(),
                    stream=True,
                    timeout=(self.patience.connect, self.patience.read),
                    hooks={"response": keep},
                )
                return self._answered(response)
        except (  # the last: a redirect to an address in no known letters
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            UnicodeError,
        ) as error:
            raise_if_final(self.url, error, nothing_came=not self.part.size)
            raise Passing(in_words(error, self.part.size)) from None

    def _headers(self) -> dict[str, str]:
        """Only the rest, if it is still the same file; else only a file that has changed."""
        if self.part.size and self.part.validator:
            return {"Range": f"bytes={self.part.size}-", "If-Range": self.part.validator}
        if not self.known:
            return {}
        asked = {
            "If-None-Match": self.known.etag,
            "If-Modified-Since": self.known.last_modified,
        }
        return {name: value for name, value in asked.items() if value}

    def _answered(self, response: "Response") -> Download:
        self.has_answered = True
        longest = min(self.patience.longest_wait, self._seconds_left())
        check_status(self.url, response, longest)
        if response.status_code == 304:
            return self._unchanged()
        if response.status_code == 416:
            if self.part.total != self.part.size:
                self.part.clear()
                raise Passing("it has fewer bytes than we already got")
            return self._whole(response.headers)
        if "html" in response.headers.get("Content-Type", "").lower():
            self._refuse(f"a web page came instead of {self.kind}")
        self._take_up(response)
        self._receive(response)
        return self._whole(response.headers)

    def _unchanged(self) -> Download:
        if not self.known:
            raise DownloadFailed(self.url, "the server answers 304 unasked", "try a mirror")
        return replace(self.known, is_new=False)

    def _refuse(self, what: str) -> None:
        self.part.clear()
        todo = "open the address in a browser, or look for a proxy or sign-in page in between"
        raise DownloadFailed(self.url, what, todo)

    def _take_up(self, response: "Response") -> None:
        """Go on, or start over when the answer is the file from its first byte."""
        first, total = span_of(response)
        version = validator_of(response.headers)
        if response.status_code != 206:
            self.part.begin(version, total)
            return
        is_same = version in (None, self.part.validator) and total in (None, self.part.total)
        if not (is_same and first == self.part.size and is_as_sent(response.headers)):
            self.part.clear()
            raise Passing("it sent another part than we asked for")

    def _receive(self, response: "Response") -> None:
        pace = _Pace(self.part.size, time.monotonic())
        is_data = bool(self.part.size)
        decode = not is_as_sent(response.headers)
        # ``read1`` gives what has come; reading whole chunks would wait out any trickle.
        while chunk := response.raw.read1(_CHUNK, decode_content=decode):
            self.part.file.write(chunk)
            size = self.part.size
            if not is_data and (what := fault(self.kind, self.part.ends()[0])):
                self._refuse(what)
            is_data = True
            if self.progress:
                self.progress(size, self.part.total)
            if self._seconds_left() <= 0:
                raise Passing(f"it took more than {self.patience.deadline:g} s")
            pace.check(size, self.patience)

    def _whole(self, headers: Mapping[str, str]) -> Download:
        """Length, kind and checksum are right: the file takes its place."""
        part, size = self.part, self.part.size
        if part.total is not None and size < part.total:
            raise Passing(f"it was cut off at {size:,} of {part.total:,} bytes")
        if part.total is not None and size > part.total:
            part.clear()
            raise Passing("more bytes came than it has")
        if what := fault(self.kind, *part.ends()):
            self._refuse(what)
        digest = part.sha256
        if self.sha256 and digest != self.sha256.lower():
            part.clear()
            todo = "run the same command again; if it stays so, do not trust the file"
            raise DownloadFailed(self.url, "its checksum is not the published one", todo)
        part.place(self.to)
        etag, modified = headers.get("ETag"), headers.get("Last-Modified")
        return Download(self.to, size, digest, etag, modified)


@dataclass(slots=True)
class _Pace:
    """How many bytes had come at what moment, by the monotonic clock."""

    size: int
    at: float

    def check(self, size: int, patience: Patience) -> None:
        """Raises Passing if too little came over the last stretch."""
        now = time.monotonic()
        if (seconds := now - self.at) < patience.slow_after:
            return
        if size - self.size < patience.least_speed * seconds:
            raise Passing(f"only {(size - self.size) / seconds:.0f} bytes a second came")
        self.size, self.at = size, now
