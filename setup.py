"""Builds the extension: Cython, C, and one C file for each instruction set with the flags of that set alone."""

import os
import platform
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

SOURCES = Path("src_pyx")
# -ffp-contract=off: fused multiply-adds are spelled out, so that gcc and clang give the same bits.
FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden", "-pthread", "-Wall"]
# With AVX2 loops are 1.01 times as fast, 1.03 times where else the linker puts them badly.
FLAGS += ["-falign-loops=64", "-falign-functions=64"]
# Python's own -g makes the library 15 times as large, and twice as slow to build with five times the memory.
FLAGS += ["-g0"]
OPENMP = ["-fopenmp"]
X86 = platform.machine().lower() in ("x86_64", "amd64")
# -fno-wrapv: with Python's own -fwrapv gcc 12 keeps sums of some of AVX2's tiles in memory.
TILE_FLAGS = ["-fno-wrapv"]
ISA_FLAGS = {"tile_baseline": TILE_FLAGS}
if X86:
    ISA_FLAGS["tile_avx2"] = [*TILE_FLAGS, "-mavx2", "-mfma"]
    ISA_FLAGS["tile_avx512"] = [*ISA_FLAGS["tile_avx2"], "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
    ISA_FLAGS["tile_avx512_doubles"] = ISA_FLAGS["tile_avx512"]


class BuildByIsa(build_ext):
    """Adds the flags of a file's instruction set, and OpenMP where the compiler has it."""

    def build_extensions(self):
        openmp = OPENMP if self.has_openmp() else []
        if not openmp:
            print("warning: the compiler has no OpenMP: pwconv will not know its settings", file=sys.stderr)
        compile_one = self.compiler._compile

        def _compile(obj, src, ext, cc_args, extra_postargs, pp_opts):
            flags = ISA_FLAGS.get(Path(src).stem, [])
            compile_one(obj, src, ext, cc_args, [*extra_postargs, *flags], pp_opts)

        self.compiler._compile = _compile
        self.compiler.compile = self.in_parallel(self.compiler.compile)
        flags = " ".join([*FLAGS, *openmp])
        for extension in self.extensions:
            extension.extra_compile_args = [*FLAGS, *openmp]
            extension.extra_link_args = ["-pthread", *openmp]
            extension.define_macros += [
                ("PWCONV_FLAGS", f'"{flags}"'),
                ("PWCONV_VERSION", f'"{self.distribution.get_version()}"'),
            ]
        super().build_extensions()

    @staticmethod
    def in_parallel(compile_files):
        """Compiles a file on each processor; the tiles take longest."""

        def compile_each(sources, **options):
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                objects = pool.map(lambda source: compile_files([source], **options), sources)
                return [name for names in objects for name in names]

        return compile_each

    def has_openmp(self):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "openmp.c")
            source.write_text("#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n")
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder, extra_postargs=OPENMP)
                self.compiler.link_executable(objects, str(Path(folder, "openmp")), extra_postargs=OPENMP)
            except (CompileError, LinkError):
                return False
        return True


core = Extension(
    "pwconv._core",
    [
        str(SOURCES / name)
        for name in (
            *(f"{stem}.c" for stem in ISA_FLAGS),
            "_core.pyx",
            "cpu.c",
            "convert.c",
            "peak.c",
            "team.c",
            "threads.c",
        )
    ],
    include_dirs=[str(SOURCES), numpy.get_include()],
    depends=[str(path) for path in sorted(SOURCES.iterdir()) if path.suffix in (".h", ".pxi")],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
)
setup(
    ext_modules=cythonize([core], build_dir=os.path.join("build", "cython")),
    cmdclass={"build_ext": BuildByIsa},
)
