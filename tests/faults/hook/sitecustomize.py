"""Loaded by every Python process that has this folder in ``PYTHONPATH``: does what the variable ``FAULT`` says.

``clock SECONDS JUMP``: `time.time` jumps by JUMP so many SECONDS after the start. ``stall N SECONDS FOLDER``: the N-th file
of FOLDER that a process opens takes so many SECONDS. ``lost N ERRNO FOLDER``: from the N-th on each fails, for a second.
Once it has done so, the file named by ``FAULT_SEEN`` is there.
"""

import os
import sys
import time


def _seen() -> None:
    os.close(os.open(os.environ["FAULT_SEEN"], os.O_WRONLY | os.O_CREAT))


def _jump(after: float, by: float) -> None:
    real, real_ns, start = time.time, time.time_ns, time.monotonic()

    jumped = False

    def offset() -> float:
        nonlocal jumped
        if not jumped and time.monotonic() - start >= after:
            jumped = True
            _seen()
        return by if jumped else 0.0

    time.time = lambda: real() + offset()
    time.time_ns = lambda: real_ns() + int(offset() * 1e9)


def _watch(folder: str, act) -> None:
    seen = 0

    def hook(event, args):
        nonlocal seen
        if event != "open" or not isinstance(args[0], (str, bytes)):
            return
        path = os.fsdecode(args[0])
        if path.startswith(folder) and os.sep in path[len(folder) :]:
            seen += 1
            act(seen, path)

    sys.addaudithook(hook)


def _stall(number: int, seconds: float, folder: str) -> None:
    def act(seen, _):
        if seen == number:
            _seen()
            time.sleep(seconds)

    _watch(folder, act)


def _lose(number: int, code: int, folder: str) -> None:
    since = None

    def act(seen, path):
        nonlocal since
        if seen >= number:
            if since is None:
                since = time.monotonic()
                _seen()
            if time.monotonic() - since < 1.0:
                raise OSError(code, os.strerror(code), path)

    _watch(folder, act)


_words = os.environ.get("FAULT", "").split(" ", 3)
if _words[0] == "clock":
    _jump(float(_words[1]), float(_words[2]))
elif _words[0] == "stall":
    _stall(int(_words[1]), float(_words[2]), _words[3])
elif _words[0] == "lost":
    _lose(int(_words[1]), int(_words[2]), _words[3])
