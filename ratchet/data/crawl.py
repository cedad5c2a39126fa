"""A prefix of S3 listed by many at once: stretches of keys, cut wherever somebody is idle, spooled to files in order.

Nobody knows where a prefix's keys lie before it is listed. Whoever has nothing to do cuts a stretch that is being
listed in two and takes the part behind the cut; its first page tells whether there was anything. Each stretch has a
file of its own, and the stretches follow each other: so memory holds a few pages, however many objects there are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from ratchet.data.split import choose_cut

WORKERS = 16


class Page(Protocol):
    """One answer of S3: keys in order, and where the next page goes on."""

    @property
    def keys(self) -> Sequence[str]:
        """The keys of the page, in order."""
        ...

    @property
    def more(self) -> tuple[str, str] | None:
        """Key and version to go on behind; None after the last page."""
        ...

    def lines(self, until: str | None) -> bytes:
        """The page as it is spooled, keys behind `until` left out."""
        ...


ListPage = Callable[[str, str], Page]  # behind this key, and of it behind this version


@dataclass(eq=False)
class _Stretch:
    """Keys behind `behind` up to and including `until`."""

    sink: IO[bytes]
    behind: tuple[str, str]
    until: str | None = None
    first: str = ""
    last: str = ""
    probed: bool = False  # somebody is about to cut it

    def cut(self) -> str | None:
        """Where it could be cut; None when nothing is known yet, or somebody else is at it."""
        return None if self.probed or not self.last else choose_cut(self.first, self.last, self.until)


@dataclass
class Crawl:
    """One listing.

    Parameters
    ----------
    list_page
        Asks S3 for a page; called from several threads.
    folder
        For the spools.
    workers
        How many ask at once.
    """

    list_page: ListPage
    folder: Path
    workers: int = WORKERS
    _stretches: list[_Stretch] = field(default_factory=list)  # in the order of their keys
    _waiting: list[_Stretch] = field(default_factory=list)
    _active: list[_Stretch] = field(default_factory=list)
    _opened: int = 0
    _failed: bool = False
    _change: threading.Condition = field(default_factory=threading.Condition)

    def run(self, cuts: Callable[[], Sequence[str]]) -> list[Path]:
        """List everything; return the spools in the order of the keys.

        Parameters
        ----------
        cuts
            Tells keys where the listing may be cut from the start; asked only when one page was not enough.
        """
        try:
            self._begin(cuts)
            with ThreadPoolExecutor(self.workers) as pool:
                done = [pool.submit(self._work) for _ in range(self.workers if self._waiting else 0)]
            for future in done:
                future.result()
        finally:
            for stretch in self._stretches:
                stretch.sink.close()
        return [Path(stretch.sink.name) for stretch in self._stretches]

    def _begin(self, cuts: Callable[[], Sequence[str]]) -> None:
        """Read the first page; when there is more, lay out the stretches that are known from the start."""
        first = self._open(("", ""), None, 0)
        page = self.list_page("", "")
        first.sink.write(page.lines(None))
        if page.more is None:
            return
        first.first, first.last, first.behind = page.keys[0], page.keys[-1], page.more
        for cut in sorted(set(cuts())):
            if cut > first.last:
                self._stretches[-1].until = cut
                self._open((cut, ""), None, len(self._stretches))
        self._waiting = self._stretches[::-1]

    def _open(self, behind: tuple[str, str], until: str | None, place: int) -> _Stretch:
        self._opened += 1
        sink = (self.folder / f"{self._opened:06d}.spool").open("wb")
        stretch = _Stretch(sink, behind, until)
        self._stretches.insert(place, stretch)
        return stretch

    def _work(self) -> None:
        try:
            while (stretch := self._take()) is not None:
                self._walk(stretch)
        except BaseException:
            with self._change:
                self._failed = True
                self._change.notify_all()
            raise

    def _take(self) -> _Stretch | None:
        """A stretch to list: one that waits, or the end of one that somebody else is listing."""
        while True:
            with self._change:
                if self._failed or not (self._waiting or self._active):
                    self._change.notify_all()
                    return None
                if self._waiting:
                    stretch = self._waiting.pop()
                    self._active.append(stretch)
                    return stretch
                found = next(((one, cut) for one in self._active if (cut := one.cut()) is not None), None)
                if found is None:
                    self._change.wait()
                    continue
                found[0].probed = True
            stolen = self._probe(*found)
            if stolen is not None:
                return stolen

    def _probe(self, victim: _Stretch, cut: str) -> _Stretch | None:
        """Look behind a cut; None when nothing is there, or the victim has come so far meanwhile."""
        page = self.list_page(cut, "")
        with self._change:
            victim.probed = False
            self._change.notify_all()
            if victim not in self._active or victim.last >= cut:
                return None
            until, victim.until = victim.until, cut
            if not page.keys or (until is not None and page.keys[0] > until):
                return None
            stretch = self._open((cut, ""), until, self._stretches.index(victim) + 1)
            self._active.append(stretch)
        self._accept(stretch, page)
        return stretch

    def _walk(self, stretch: _Stretch) -> None:
        while stretch in self._active and not self._failed:
            self._accept(stretch, self.list_page(*stretch.behind))

    def _accept(self, stretch: _Stretch, page: Page) -> None:
        """Spool a page; where the stretch ends is decided in the same moment as how far it has come."""
        with self._change:
            until = stretch.until
            over = page.more is None or (until is not None and page.keys[-1] > until)
            if page.keys:
                stretch.first, stretch.last = (
                    page.keys[0],
                    page.keys[-1] if until is None else min(page.keys[-1], until),
                )
            if page.more is not None:
                stretch.behind = page.more
        # Written before anybody may see the stretch ended: the spools are read when all of them are.
        stretch.sink.write(page.lines(until))
        if over:
            stretch.sink.close()
        with self._change:
            if over:
                self._active.remove(stretch)
            self._change.notify_all()
