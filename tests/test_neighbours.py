"""Other libraries with threads of their own live in the same process, whoever comes first.

Reference: the same call on one thread in a process without them; tolerance: none. Each case runs in a process of its own
that a time limit ends if it hangs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import textwrap

import pytest
from support import run_python

CALL = """
    import hashlib
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (2, 64, 56, 56)).astype("f4")
    weight = rng.integers(-9, 9, (64, 64)).astype("f4")

    def pwconv_call(threads=2):
        from pwconv import conv1x1
        return hashlib.sha256(conv1x1(x, weight, num_threads=threads).tobytes()).hexdigest()
"""
# A call that starts the threads of the library, and what it must return.
LIBRARIES = {
    "sklearn": """
    def other_call():
        from sklearn.metrics import pairwise_distances_argmin
        points = np.arange(4_000, dtype="f8").reshape(-1, 2)
        return (pairwise_distances_argmin(points, points) == np.arange(len(points))).all()
    """,
    "torch": """
    def other_call():
        import torch
        y = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(weight[:, :, None, None]))
        return (y.numpy() == np.einsum("ok,nkhw->nohw", weight, x)).all()
    """,
}


def dedented(*parts):
    return "\n".join(textwrap.dedent(part) for part in parts)


@pytest.fixture(scope="module")
def expected():
    return run_python(dedented(CALL, "print(pwconv_call(1))")).strip()


def needs(module):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")


@pytest.mark.parametrize("order", ("pwconv first", "pwconv second"))
@pytest.mark.parametrize("library", LIBRARIES)
def test_either_order(library, order, expected):
    """In turn, in two Python threads at once, and in a child that is forked after both."""
    needs(library)
    first = "pwconv_call()" if order == "pwconv first" else "other_call()"
    run_python(
        dedented(
            CALL,
            LIBRARIES[library],
            f"""
            import os, signal, threading
            expected = {expected!r}
            {first}
            for threads in (1, 2, 3, 2):
                assert pwconv_call(threads) == expected
                assert other_call()
            results = []
            thread = threading.Thread(target=lambda: results.append(all(other_call() for _ in range(5))))
            thread.start()
            assert all(pwconv_call() == expected for _ in range(20))
            thread.join()
            assert results == [True]
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                os._exit(0 if pwconv_call() == expected else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            """,
        ),
        timeout=120,
    )


@pytest.mark.parametrize(
    "start", ("ProcessPoolExecutor, fork", "joblib, loky", "joblib, threading", "joblib, multiprocessing")
)
def test_pools_of_others(start, tmp_path, expected):
    """A script, since some of the pools have to import it; parent and children compute with threads."""
    library, _, way = start.partition(", ")
    if library == "joblib":
        needs("joblib")
    script = tmp_path / "script.py"
    script.write_text(
        dedented(
            CALL,
            f"""
            import multiprocessing, signal

            def work(threads):
                return pwconv_call(threads)

            if __name__ == "__main__":
                assert pwconv_call() == {expected!r}
                if {library!r} == "joblib":
                    from joblib import Parallel, delayed
                    results = Parallel(n_jobs=2, backend={way!r})(delayed(work)(threads) for threads in (1, 2, 3, 2))
                else:
                    from concurrent.futures import ProcessPoolExecutor
                    with ProcessPoolExecutor(2, multiprocessing.get_context({way!r})) as pool:
                        results = list(pool.map(work, (1, 2, 3, 2)))
                assert results == [{expected!r}] * 4
                assert pwconv_call() == {expected!r}
            """,
        )
    )
    subprocess.run([sys.executable, str(script)], check=True, timeout=120)


def test_the_reference_is_exact(expected):
    """Whole numbers: the sums are the same in any order."""
    import numpy as np

    rng = np.random.default_rng(0)
    x, weight = rng.integers(-9, 9, (2, 64, 56, 56)), rng.integers(-9, 9, (64, 64))
    y = np.einsum("ok,nkhw->nohw", weight, x).astype("f4")
    assert hashlib.sha256(y.tobytes()).hexdigest() == expected
