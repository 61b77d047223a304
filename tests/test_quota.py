"""The CPU quota of the process's control group is found, in both versions of the interface.

Reference: made-up file systems laid out as the kernel and container runtimes do; tolerance: none.
"""

from __future__ import annotations

import os

import pytest

from pwconv import _threads


def v2(path, **limits):
    """A process in group `path` of the unified hierarchy; `limits` are cpu.max files, a__b that of /a/b."""
    places = {name: "" if name == "root" else name.replace("__", "/") + "/" for name in limits}
    return {"proc/self/cgroup": f"0::{path}\n"} | {
        f"sys/fs/cgroup/{places[name]}cpu.max": text for name, text in limits.items()
    }


def v1(place, quota, period, *, groups="4:memory:/job\n3:cpu,cpuacct:/job\n1:name=systemd:/job\n"):
    """A process in group /job of separate hierarchies, its limits in the directory `place`."""
    files = {"proc/self/cgroup": groups, f"sys/fs/cgroup/{place}/cpu.cfs_quota_us": quota}
    return files if period is None else files | {f"sys/fs/cgroup/{place}/cpu.cfs_period_us": period}


CASES = {
    "no control groups": ({}, None),
    "empty list": ({"proc/self/cgroup": ""}, None),
    "garbage": ({"proc/self/cgroup": "garbage\nmore: garbage\n::\n"}, None),
    "v2 without limit": (v2("/"), None),
    "v2 at the root": (v2("/", root="150000 100000\n"), 1.5),
    "v2 nested": (v2("/a/b", a__b="50000 100000\n"), 0.5),
    "v2 unlimited": (v2("/a/b", a__b="max 100000\n"), None),
    "v2 limited by its parent": (v2("/a/b", a__b="max 100000\n", a="200000 100000\n"), 2.0),
    "v2 parent without a file between": (v2("/a/b/c", a="200000 100000\n"), 2.0),
    "v2 parent is tighter": (v2("/a/b", a__b="400000 100000\n", a="200000 100000\n"), 2.0),
    "v2 child is tighter": (v2("/a/b", a__b="100000 100000\n", a="200000 100000\n"), 1.0),
    "v2 container that sees its group as the root": (v2("/docker/abc", root="300000 100000\n"), 3.0),
    "v2 outside of the namespace": (v2("/../outside", root="300000 100000\n"), 3.0),
    "v2 nonsense": (v2("/", root="nonsense\n"), None),
    "v2 empty": (v2("/", root=""), None),
    "v2 period zero": (v2("/", root="100000 0\n"), None),
    "v1": (v1("cpu,cpuacct/job", "250000\n", "100000\n"), 2.5),
    "v1 under the short name": (v1("cpu/job", "250000\n", "100000\n"), 2.5),
    "v1 unlimited": (v1("cpu,cpuacct/job", "-1\n", "100000\n"), None),
    "v1 in a container": (v1("cpu,cpuacct", "250000\n", "100000\n"), 2.5),
    "v1 beside v2": (
        v1("cpu,cpuacct/job", "250000\n", "100000\n", groups="3:cpu,cpuacct:/job\n0::/job\n"),
        2.5,
    ),
    "v1 of cpuset alone": (v1("cpu,cpuacct/job", "250000\n", "100000\n", groups="3:cpuset:/job\n"), None),
    "v1 without period": (v1("cpu,cpuacct/job", "250000\n", None), None),
    "v1 period zero": (v1("cpu,cpuacct/job", "250000\n", "0\n"), None),
}


@pytest.mark.parametrize("files, expected", CASES.values(), ids=CASES)
def test_made_up_file_systems(tmp_path, files, expected):
    for path, text in files.items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    assert _threads.cgroup_quota(tmp_path) == expected


def test_names_of_groups_may_be_any_bytes(tmp_path):
    group = tmp_path / "sys/fs/cgroup" / os.fsdecode(b"job\xff")
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("300000 100000\n")
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_bytes(b"0::/job\xff\n")
    assert _threads.cgroup_quota(tmp_path) == 3


def test_this_machine_is_read_without_complaint():
    quota = _threads.cgroup_quota()
    assert quota is None or quota > 0
