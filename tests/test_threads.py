"""How many threads a call uses, and who decides.

Reference: the rule default = min(OpenMP's maximum, CPUs of the process, quota of the control group rounded
up), with OMP_NUM_THREADS before the quota and `num_threads=` before all; tolerance: none.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess

import numpy as np
import pytest
from support import run_python, try_python

import pwconv
from pwconv import _threads, conv1x1

FREE = {"OMP_NUM_THREADS": None, "OMP_THREAD_LIMIT": None, "PWCONV_ISA": None}


def test_set_and_get(keep_threads):
    for n in (1, 2, 5, np.int64(3)):
        pwconv.set_num_threads(n)
        assert pwconv.get_num_threads() == n
        assert type(pwconv.get_num_threads()) is int


@pytest.mark.parametrize(
    "bad, exception",
    (
        (0, ValueError),
        (-1, ValueError),
        (-(2**70), ValueError),
        (1.5, TypeError),
        ("2", TypeError),
    ),
)
def test_bad_numbers_change_nothing(keep_threads, bad, exception):
    with pytest.raises(exception, match=r"threads|\bn\b"):
        pwconv.set_num_threads(bad)
    assert pwconv.get_num_threads() == keep_threads
    with pytest.raises(exception, match="num_threads"):
        conv1x1(np.ones((1, 1, 1)), np.ones((1, 1)), num_threads=bad)


def test_more_threads_than_work(isa, layout):
    x = np.ones((2, 2, 2))
    for n in (1, 2, 64, 1000, 2**31 - 1, 2**31, 2**70):
        assert (conv1x1(x, np.ones((2, 2)), layout=layout, num_threads=n) == 2).all()


def default_threads(quota="max 100000", env=None, cpus=None):
    """The default in a new process with a made-up cpu.max, on the first `cpus` CPUs that this one may use."""
    return int(
        run_python(
            f"""
            import builtins, io, os

            if {cpus} is not None:
                os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:{cpus}])
            made_up = {{"/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": {quota!r}}}
            real = open
            builtins.open = lambda file, *rest, **more: (
                io.StringIO(made_up[file]) if file in made_up else real(file, *rest, **more)
            )
            import pwconv
            print(pwconv.get_num_threads())
            """,
            env=FREE | (env or {}),
        )
    )


CPUS = len(os.sched_getaffinity(0))


def test_default_is_the_cpus_of_the_process():
    quota = _threads.cgroup_quota()
    assert default_threads() == CPUS
    text = run_python("import pwconv; print(pwconv.get_num_threads())", env=FREE)
    assert int(text) == min(CPUS, CPUS if quota is None else math.ceil(quota))


def test_affinity_lowers_the_default():
    assert default_threads(cpus=1) == 1


@pytest.mark.parametrize(
    "quota, threads",
    (("10000 100000", 1), ("100000 100000", 1), ("120000 100000", min(2, CPUS)), ("9900000 100000", CPUS)),
)
def test_quota_lowers_the_default_and_is_rounded_up(quota, threads):
    assert default_threads(quota) == threads


def test_omp_num_threads_lowers_the_default():
    assert default_threads(env={"OMP_NUM_THREADS": "1"}) == 1


@pytest.mark.skipif(CPUS < 2, reason="one CPU: no room above the quota")
def test_omp_num_threads_comes_before_the_quota():
    assert default_threads("100000 100000", env={"OMP_NUM_THREADS": "2"}) == 2


def test_omp_thread_limit_is_kept():
    assert default_threads(env={"OMP_THREAD_LIMIT": "1"}) == 1


TASKS = """
    import os
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import numpy as np
    import pwconv
    def tasks():
        return len(os.listdir("/proc/self/task"))
    x, weight = np.ones((4, 128, 56, 56), "f4"), np.ones((64, 128), "f4")
    before = tasks()
"""


@pytest.mark.parametrize(
    "how",
    (
        "pwconv.conv1x1(x, weight, num_threads=1)",
        "pwconv.set_num_threads(1); pwconv.conv1x1(x, weight)",
        "pwconv.Conv1x1(weight)(x, num_threads=1)",
    ),
)
def test_one_thread_adds_none(isa, how):
    code = f"{TASKS}\n    {how}\n    assert tasks() == before, (before, tasks())"
    run_python(code, env=FREE | {"PWCONV_ISA": isa})


def test_import_starts_no_thread():
    run_python(f"{TASKS}\n    assert before == 1, before", env=FREE)


@pytest.mark.parametrize("threads", (2, 3))
def test_large_calls_use_the_threads_they_are_given(isa, threads):
    run_python(
        f"""{TASKS}
    pwconv.conv1x1(x, weight, num_threads={threads})
    assert tasks() == before + {threads} - 1, (before, tasks())
    """,
        env=FREE | {"PWCONV_ISA": isa},
    )


@pytest.mark.skipif(CPUS < 2, reason="one CPU: nothing to keep off")
def test_workers_run_where_the_process_may_but_not_on_the_callers_processor():
    run_python(
        f"""{TASKS}
    pwconv.conv1x1(x, weight, num_threads=3)
    allowed = os.sched_getaffinity(0)
    workers = [os.sched_getaffinity(int(t)) for t in os.listdir("/proc/self/task") if int(t) != os.getpid()]
    assert len(workers) == 2 and all(cpus and cpus < allowed for cpus in workers), (allowed, workers)
    """,
        env=FREE,
    )


@pytest.mark.skipif(CPUS < 2, reason="one CPU: no second thread")
def test_a_small_call_has_a_second_thread_only_after_another_one():
    """262144 multiply-adds, calls 10 ms apart and then one after the other: 0.1 ms is near, if the build is that fast."""
    run_python(
        f"""{TASKS}
    import time
    layer, x = pwconv.Conv1x1(weight[:, :64]), x[0, :64, :8, :8]
    for _ in range(5):
        layer(x, num_threads=2)
        time.sleep(0.01)
    assert tasks() == before, (before, tasks())
    starts = []
    for _ in range(1000):
        starts.append(time.perf_counter())
        layer(x, num_threads=2)
    near = min(np.diff(starts)) < 5e-5
    assert before + near <= tasks() <= before + 1, (before, near, tasks())
    """,
        env=FREE,
    )


def test_small_calls_stay_serial():
    run_python(
        f"""{TASKS}
    for _ in range(100):
        pwconv.conv1x1(x[0, :32, :6, :6], weight[:32, :32])
    assert tasks() == before, (before, tasks())
    """,
        env=FREE,
    )


CHANGES = {
    "set_num_threads": "pwconv.set_num_threads",
    "omp_threadpoolctl": "lambda n: __import__('threadpoolctl').threadpool_limits(n, user_api='openmp')",
}


@pytest.mark.skipif(CPUS < 2, reason="one CPU: nothing to change")
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_two_calls_of_a_layer_is_followed(change):
    """A thread that stays asleep was not called: it is counted how often it fell asleep."""
    if "threadpoolctl" in change:
        pytest.importorskip("threadpoolctl")
    run_python(
        f"""{TASKS}
    import time
    from pathlib import Path
    change, layer = {CHANGES[change]}, pwconv.Conv1x1(weight)

    def naps():
        time.sleep(0.2)  # a call's threads fall asleep 0.1 ms after it
        files = [task / "status" for task in Path("/proc/self/task").iterdir() if int(task.name) != os.getpid()]
        return [line for file in files for line in file.read_text().splitlines() if line.startswith("voluntary")]

    change(1)
    layer(x)
    assert naps() == []
    change(2)
    layer(x)
    seen = naps()
    assert len(seen) == 1
    for _ in range(3):
        change(1)
        layer(x)
        assert naps() == seen, "one thread was asked for"
        change(2)
        layer(x)
        assert naps() != seen, "two threads were asked for"
        seen = naps()
    """,
        env=FREE | {"OMP_NUM_THREADS": "2"},
    )


@pytest.mark.skipif(CPUS < 2, reason="one CPU: nothing to limit")
def test_omp_limits_of_threadpoolctl_hold(isa):
    pytest.importorskip("threadpoolctl")
    run_python(
        f"""{TASKS}
    from threadpoolctl import threadpool_limits
    with threadpool_limits(1):
        assert pwconv.get_num_threads() == 1
        pwconv.conv1x1(x, weight)
        assert tasks() == before, (before, tasks())
    assert pwconv.get_num_threads() == 2
    pwconv.conv1x1(x, weight)
    assert tasks() == before + 1, (before, tasks())
    """,
        env=FREE | {"OMP_NUM_THREADS": "2", "PWCONV_ISA": isa},
    )


def test_omp_region_of_the_caller_stays_serial(tmp_path):
    """A callback of a library that has its threads at work already starts no others."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no compiler for the other library")
    source, library = tmp_path / "parallel.c", tmp_path / "parallel.so"
    source.write_text(
        "void parallel(void (*call)(void)) {\n"
        "    #pragma omp parallel num_threads(2)\n"
        "    #pragma omp single\n"
        "    call();\n"
        "}\n"
    )
    subprocess.run([compiler, "-fopenmp", "-shared", "-fPIC", source, "-o", library], check=True)
    done = run_python(
        f"""{TASKS}
    import ctypes
    expected = pwconv.conv1x1(x, weight, num_threads=1)

    @ctypes.CFUNCTYPE(None)
    def call():
        inside = tasks()
        results = [pwconv.conv1x1(x, weight, num_threads=n) for n in (None, 2)]
        print(tasks() - inside, all((y == expected).all() for y in results))

    ctypes.CDLL({str(library)!r}).parallel(call)
    pwconv.conv1x1(x, weight, num_threads=2)
    """,
        env=FREE,
    )
    assert done == "0 True\n"


@pytest.mark.parametrize("spare", (0, 1, 2))
def test_fewer_threads_than_wanted(spare):
    """A process that may start no thread, or too few, still computes on those that there are, with the same bits."""
    code = f"""{TASKS}
    import resource, threading, time
    rng = np.random.default_rng(0)
    x, weight = rng.random(x.shape, "f4"), rng.random(weight.shape, "f4")
    expected = pwconv.conv1x1(x, weight, num_threads=1)
    if os.getuid() == 0:
        os.setgid(65534), os.setuid(65534)
    resource.setrlimit(resource.RLIMIT_NPROC, (1 + {spare},) * 2)  # this one, if the user has no other
    started, end = [], threading.Event()
    try:
        while len(started) < 5:
            thread = threading.Thread(target=end.wait)
            thread.start()
            started.append(thread)
    except RuntimeError:
        pass
    end.set()
    for thread in started:
        thread.join()
    while tasks() > before:
        time.sleep(0.01)
    if len(started) == {spare}:
        print("limited")
    assert (pwconv.conv1x1(x, weight, num_threads=5) == expected).all()
    assert tasks() - before == min(len(started), 4), (before, tasks())
    print("right")
    """
    done = try_python(code, env=FREE)
    if "limited" not in done.stdout:
        pytest.skip("the limit on processes does not hold here")
    assert done.returncode == 0 and "right" in done.stdout, done.stderr
