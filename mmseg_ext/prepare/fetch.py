"""Downloads of large files that go on where they were cut off."""

import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mmseg_ext.engine.errors import UsageError

BLOCK = 1 << 18
TIMEOUT = 30.0  # seconds without a byte
TRIES = 3  # of an address, since it got further the last time
AGENT = 'mmseg-ext'  # some servers refuse urllib's own name

_PASSING = (408, 425, 429, 500, 502, 503, 504)  # what a server may get over


class FetchError(Exception):
    """No address gave the file; the message has a line for each, with the reason."""


class _NotHereError(Exception):
    """This address does not have the file."""


def fetch(
    urls: Sequence[str],
    file: Path,
    size: int,
    checksum: str,
    progress: Callable[[int], None] = lambda done: None,
    pause: float = 1.0,
    timeout: float = TIMEOUT,
) -> None:
    """Downloads a file; it has its name only when its size and checksum are right.

    What has come lies in ``NAME.part``, where the next call goes on, also from another address and
    after a kill. What turns out to be another file is removed.

    Args:
        urls: Addresses, tried in order.
        file: Where it goes; the folder exists.
        size: In bytes.
        checksum: ``md5:`` or another of hashlib's names, and hexadecimal digits.
        progress: Called with the number of bytes that are there.
        pause: Seconds before the second try; doubled for each further one.
        timeout: Seconds without a byte after which a connection counts as broken.

    Raises:
        FetchError: No address gave the file.
        UsageError: The disk is full.
    """
    part = file.with_name(f'{file.name}.part')
    reasons = []
    for url in urls:
        begun = _length(part) > 0
        try:
            _fill(url, part, size, progress, pause, timeout)
            problem = verify(part, size, checksum)
            if problem and begun:  # the beginning may be of another file
                part.unlink()
                _fill(url, part, size, progress, pause, timeout)
                problem = verify(part, size, checksum)
        except _NotHereError as error:
            reasons.append(f'{url}: {error}')
            continue
        if not problem:
            os.replace(part, file)
            return
        part.unlink()
        reasons.append(f'{url}: another file, now removed: {problem}')
    raise FetchError('\n'.join(reasons))


def verify(file: Path, size: int, checksum: str) -> str | None:
    """Says how a file differs from what its size and checksum promise; None if it does not."""
    found = file.stat().st_size
    if found != size:
        return f'{file} has {found:,} bytes, not {size:,}'
    kind, _, digits = checksum.partition(':')
    digest = hashlib.new(kind, usedforsecurity=False)
    with file.open('rb') as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != digits:
        return f'{file} has the {kind} {digest.hexdigest()}, not {digits}'
    return None


def _fill(
    url: str, part: Path, size: int, progress: Callable[[int], None], pause: float, timeout: float
) -> None:
    """Fills the part up to its size, over as many connections as that takes."""
    tries, furthest = 0, _length(part)
    while _length(part) != size:
        try:
            _receive(url, part, size, progress, timeout)
            reason = 'the connection was cut'
        except urllib.error.HTTPError as error:
            reason = f'HTTP {error.code} {error.reason}'
            if error.code == 416:  # the server's file ends before what is there
                part.unlink(missing_ok=True)
            elif error.code not in _PASSING:
                raise _NotHereError(reason) from error
        except (OSError, http.client.HTTPException) as error:  # timeouts and resets among them
            reason = str(getattr(error, 'reason', None) or error) or type(error).__name__
        now = _length(part)
        # a server that starts over again and again gets no further
        tries = 0 if now > furthest else tries + 1
        furthest = max(now, furthest)
        if tries == TRIES:
            raise _NotHereError(f'{reason} ({now:,} of {size:,} bytes are there)')
        if now != size:
            time.sleep(pause * 2**tries)


def _receive(
    url: str, part: Path, size: int, progress: Callable[[int], None], timeout: float
) -> None:
    """One connection: appends what comes."""
    begin = _length(part)
    if begin > size:
        part.unlink()
        begin = 0
    request = urllib.request.Request(url, headers={'User-Agent': AGENT})
    if begin:
        request.add_header('Range', f'bytes={begin}-')
    with urllib.request.urlopen(request, timeout=timeout) as response:
        total, start = _announced(response)
        if total not in (None, size):
            raise _NotHereError(f'has {total:,} bytes, not {size:,}: another file')
        if start not in (0, begin):
            raise _NotHereError(f'sends from byte {start:,} when asked for {begin:,}')
        # a server that ignores the range sends it all
        done = start
        with part.open('ab' if start else 'wb') as handle:
            for block in _blocks(response):
                done += len(block)
                if done > size:
                    handle.truncate(0)
                    raise _NotHereError(f'sends more than {size:,} bytes: another file')
                try:
                    handle.write(block)
                    handle.flush()
                except OSError as error:
                    raise UsageError(
                        f'{part}: {error.strerror}; what has come is kept: make room and run it '
                        'again'
                    ) from error
                progress(done)


def _announced(response: http.client.HTTPResponse) -> tuple[int | None, int]:
    """Size of the whole file, if the server says it, and the first byte that it sends."""
    if response.status == 206:
        found = re.match(r'bytes (\d+)-\d+/(\d+|\*)', response.headers.get('Content-Range', ''))
        if not found:
            raise _NotHereError('sends a part without saying which')
        return (None if found[2] == '*' else int(found[2])), int(found[1])
    length = response.headers.get('Content-Length')
    return (int(length) if length else None), 0


def _blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while block := response.read1(BLOCK):
        yield block


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
