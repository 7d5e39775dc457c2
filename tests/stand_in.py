"""A stand-in for miners and training jobs, well and badly behaved: `python -S stand_in.py MODE [MODE …]`.

It says `ready PID` once it is as its modes want it, then sleeps. No test waits for its sleep to end.

    obey       ends when asked to (as does everything else that has no mode to the contrary), with exit code 0
    save       writes `saved` to the file in SAVE when asked to end, then ends with exit code 143
    deaf       ignores requests to end
    fork       has a child in its group, and a grandchild
    leak       has a grandchild in a session of its own, whose parent is gone
    hide       has a child in a session of its own, without any of its environment
    bare       has a grandchild without any of its environment, whose parent is gone
    code=N     ends with exit code N, once it is ready
    flood=N    writes N bytes first
"""

import os
import signal
import sys
import time
from types import FrameType

LONG = 300
ENV = {"PATH": os.environ.get("PATH", "")}


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def sleeper(name: str, *, deaf: bool) -> None:
    """Be a child that is there."""
    if not deaf:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    say(f"{name} {os.getpid()}")
    time.sleep(LONG)
    os._exit(0)


def main(modes: list[str]) -> None:
    """Behave."""
    deaf = "deaf" in modes

    def asked(number: int, frame: FrameType | None) -> None:
        say("asked")
        if "save" in modes:
            os.write(os.open(os.environ["SAVE"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), b"saved\n")
            os._exit(143)
        if not deaf:
            os._exit(0)

    signal.signal(signal.SIGTERM, asked)
    if "fork" in modes and os.fork() == 0:
        if os.fork() == 0:
            sleeper("grandchild", deaf=deaf)
        sleeper("child", deaf=deaf)
    if "leak" in modes:
        child = os.fork()
        if child == 0:
            if os.fork() == 0:
                os.setsid()
                sleeper("leaked", deaf=deaf)
            os._exit(0)
        os.waitpid(child, 0)
    words = [sys.executable, "-S", "-E", __file__, *(["deaf"] if deaf else [])]
    if "hide" in modes and os.fork() == 0:
        os.setsid()
        os.execve(sys.executable, words, ENV)
    if "bare" in modes:
        child = os.fork()
        if child == 0:
            if os.fork() == 0:
                os.execve(sys.executable, words, ENV)
            os._exit(0)
        os.waitpid(child, 0)
    for mode in modes:
        name, _, value = mode.partition("=")
        if name == "flood":
            sys.stdout.write("x" * int(value))
    say(f"ready {os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')} {sorted(os.sched_getaffinity(0))}")
    for mode in modes:
        name, _, value = mode.partition("=")
        if name == "code":
            os._exit(int(value))
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1:])
