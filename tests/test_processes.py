"""Forks, signals and the interpreter's lock: a call is a good neighbour in its process.

Reference: the same call in the parent, or before the event; tolerance: none. Each case runs in a process of
its own that an alarm or a time limit ends if it hangs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest
from support import run_python, try_python

import pwconv

# Large enough to be split over threads by every instruction set.
SETUP = """
    import os, signal, sys, threading
    import numpy as np
    from pwconv import Conv1x1, conv1x1

    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 64, 56, 56)).astype("f4")
    weight = rng.standard_normal((64, 64)).astype("f4")
    layer = Conv1x1(weight)
    expected = conv1x1(x, weight, num_threads=2)

    def check(threads=2):
        assert (conv1x1(x, weight, num_threads=threads) == expected).all()
        assert (layer(x, num_threads=threads) == expected).all()

    def forked(work):
        '''Run work in a child and say how it ended.'''
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        signal.alarm(10)
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
"""


def run(isa, code, timeout=60):
    code = textwrap.dedent(SETUP) + textwrap.dedent(code)
    return run_python(code, env={"PWCONV_ISA": isa}, timeout=timeout)


def test_fork_after_a_threaded_call(isa):
    run(
        isa,
        """
        for _ in range(10):
            assert forked(check) == 0
            check()
    """,
    )


def test_fork_in_a_forked_child(isa):
    run(
        isa,
        """
        def again():
            check()
            assert forked(check) == 0
            assert forked(lambda: forked(check) and 1 / 0) == 0
            check(3)
        assert forked(again) == 0
        check()
    """,
    )


def test_fork_before_the_first_call_of_a_new_team(isa):
    run(
        isa,
        """
        assert forked(lambda: check(7)) == 0
        check(7)
        assert forked(lambda: check(3)) == 0
    """,
    )


def test_a_child_has_threads_of_its_own(isa):
    run(
        isa,
        """
        def count():
            before = len(os.listdir("/proc/self/task"))
            check(3)
            assert before == 1 and len(os.listdir("/proc/self/task")) == 3
        assert forked(count) == 0
        assert forked(lambda: count() or forked(count) and 1 / 0) == 0
    """,
    )


@pytest.mark.parametrize("forks", (20, pytest.param(1000, marks=pytest.mark.soak)))
def test_fork_while_other_threads_compute(isa, forks):
    run(
        isa,
        f"""
        stop = threading.Event()
        def work():
            while not stop.is_set():
                check()
        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        try:
            assert all(forked(check) == 0 for _ in range({forks}))
        finally:
            stop.set()
        for worker in workers:
            worker.join()
        check()
    """,
        timeout=60 + forks,
    )


@pytest.mark.parametrize("method", ("fork", "spawn", "forkserver"))
def test_pools_of_processes(tmp_path, method):
    """A script, since spawn has to import it; the children compute with threads."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(SETUP)
        + textwrap.dedent(f"""
        import multiprocessing

        def work(i):
            signal.alarm(20)
            return conv1x1(x[i % 2], weight, num_threads=2)

        if __name__ == "__main__":
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                for i, y in enumerate(pool.map(work, range(4))):
                    assert (y == expected[i % 2]).all()
    """)
    )
    subprocess.run([sys.executable, str(script)], check=True, timeout=60)


LONG = """
    # A hundred seconds of work that takes no memory to describe: every pixel is the same number.
    x = np.broadcast_to(np.float32(1), (1 << 16, 1, 1_200_000))
    weight = np.broadcast_to(np.float32(1), (64, 1 << 16))
"""


@pytest.mark.parametrize("threads", (1, 2))
@pytest.mark.parametrize("form", ("conv1x1(x, weight, num_threads={})", "Conv1x1(weight)(x, num_threads={})"))
def test_interrupt_ends_a_long_call(isa, threads, form):
    code = (
        textwrap.dedent(SETUP)
        + textwrap.dedent(LONG)
        + textwrap.dedent(f"""
        handler = signal.default_int_handler
        signal.signal(signal.SIGINT, handler)  # a shell starts what runs in the background with the signal ignored
        print("ready", flush=True)
        try:
            {form.format(threads)}
        except KeyboardInterrupt:
            assert signal.getsignal(signal.SIGINT) is handler
            x, weight = rng.standard_normal((64, 50, 50)), rng.standard_normal((64, 64))
            assert np.isfinite(conv1x1(x, weight, num_threads={threads})).all()
            print("interrupted", flush=True)
    """)
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, "PWCONV_ISA": isa}
    ) as child:
        try:
            assert child.stdout.readline() == "ready\n"
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(0.2)
            child.send_signal(signal.SIGINT)
            assert child.wait(20) == 0
            assert child.stdout.read() == "interrupted\n"
        finally:
            child.kill()


def test_many_outputs_are_several_tasks(isa):
    """Between them an interrupt is seen: 4e9 multiply-adds are a second without AVX2. Threads have as many each."""
    run(
        isa,
        """
        layer = Conv1x1(np.broadcast_to(np.float32(1), (24576, 1024)), layout="NHWC")
        for threads in (1, 2):
            assert (layer(np.ones((1, 256, 1024), "f4"), num_threads=threads) == 1024).all()
            plan = layer._last_plan()
            assert plan["block"] * 24576 * 1024 / plan["shares"] < 4e9, plan
            assert plan["tasks"] > 1 and plan["tasks"] % threads == 0, plan
    """,
    )


def test_packing_lets_other_threads_run(isa):
    """One that takes the lock for a moment, and not before this thread lets go of it: how often, while weights are packed."""
    run(
        isa,
        """
        import time
        count, over = 0, False
        def tick():
            global count
            while not over:
                count += 1
                time.sleep(1e-4)
        thread = threading.Thread(target=tick)
        sys.setswitchinterval(100)
        thread.start()
        def ticks(work):
            before = count
            result = work()
            return count - before, result
        weight = np.ones((8192, 2048), "f4")
        made, layer = ticks(lambda: Conv1x1(weight))
        first, again = (ticks(lambda: layer(np.ones((2048, 1, 1), "f4"), num_threads=1))[0] for _ in range(2))
        over = True
        thread.join()
        assert made > 5 and first > 5 + 2 * again, (made, first, again)
    """,
    )


def test_a_handler_that_returns_lets_the_call_finish(isa):
    run(
        isa,
        """
        seen = []
        signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        for _ in range(20):
            check()
        big = np.ones((64, 600, 600), "f4")
        y = conv1x1(big, np.ones((256, 64), "f4"), num_threads=2)
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert seen and (y == 64).all()
    """,
    )


@pytest.mark.parametrize("threads", (1, 2))
def test_other_threads_run_during_a_call(isa, threads):
    """The counter moves on only when it gets the lock; a call that kept it would leave it at one or two."""
    run(
        isa,
        f"""
        import time
        count, stop = [0], threading.Event()
        def counter():
            while not stop.is_set():
                count[0] += 1
                time.sleep(0.001)
        thread = threading.Thread(target=counter)
        thread.start()
        big = np.broadcast_to(np.float32(1), (4096, 1, 50_000))
        weight = np.ones((64, 4096), "f4")
        before = count[0]
        conv1x1(big, weight, num_threads={threads})
        moved = count[0] - before
        stop.set()
        thread.join()
        assert moved > 5, moved
    """,
    )


def test_two_calls_overlap(isa):
    """While one thread is inside a call, another starts and ends calls of its own."""
    run(
        isa,
        """
        big = np.broadcast_to(np.float32(1), (4096, 1, 50_000))
        wide = np.ones((64, 4096), "f4")
        started, done, overlaps = threading.Event(), threading.Event(), 0
        def work():
            started.set()
            conv1x1(big, wide, num_threads=1)
            done.set()
        thread = threading.Thread(target=work)
        thread.start()
        started.wait()
        while not done.is_set():
            check(1)
            overlaps += 1
        thread.join()
        assert overlaps > 2, overlaps
    """,
    )


def test_sources_that_are_not_built_say_so(tmp_path):
    """As a checkout that Python finds before the installed package."""
    shutil.copytree(os.path.dirname(pwconv.__file__), tmp_path / "pwconv", ignore=shutil.ignore_patterns("*.so"))
    done = try_python("import pwconv", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert "ImportError" in done.stderr and "no compiled core: start Python in another folder" in done.stderr
    assert "circular" not in done.stderr


def test_flush_to_zero_is_left_as_it_was(isa):
    """The floating-point state of the process is the caller's, before, during and after."""
    run(
        isa,
        """
        tiny = np.float32(1e-40)
        def probe():
            return np.full(3, tiny) * np.float32(0.5) > 0
        seen = []
        before = probe()
        for threads in (1, 2):
            check(threads)
            assert probe().all() and before.all()
            thread = threading.Thread(target=lambda: seen.append(probe()))
            thread.start(); thread.join()
            subnormal = np.full((64, 56, 56), tiny)
            assert (conv1x1(subnormal, np.eye(64, dtype="f4"), num_threads=threads) == tiny).all()
        assert all(s.all() for s in seen)
    """,
    )


def test_float_mode_of_the_caller_holds_in_every_thread(isa):
    """Rounding upwards in one thread: other bits than to nearest, and the same ones with more threads."""
    run(
        isa,
        """
        import ctypes, platform
        upwards = {"x86_64": 0x800, "aarch64": 0x400000}[platform.machine()]
        nearest = expected
        assert ctypes.CDLL("libm.so.6").fesetround(upwards) == 0
        expected = conv1x1(x, weight, num_threads=1)
        assert (expected >= nearest).all() and (expected > nearest).any()
        for threads in 50 * (2, 3):
            check(threads)
        assert ctypes.CDLL("libm.so.6").fesetround(0) == 0
        expected = nearest
        for threads in 50 * (2, 3):
            check(threads)
    """,
    )
