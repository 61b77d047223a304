#!/bin/sh
# Builds by gcc and by clang, and by gcc without OpenMP, have to give the same bits: sh compilers.sh python
set -eu
python=$(realpath --no-symlinks "$(command -v "$1")")
tests=$(pwd)
builds=$(cd .. && pwd)/build/compilers
mkdir -p "$builds"

build() { # name, compiler
    echo "== $1"
    (cd .. && CC=$2 "$python" setup.py --quiet build --build-base "$builds/$1" --build-lib "$builds/$1/lib" >"$builds/$1.log" 2>&1) ||
        { cat "$builds/$1.log" >&2; exit 1; }
    PYTHONPATH=$builds/$1/lib "$python" bits.py | tee "$builds/$1.bits"
}

without_openmp() { # the compiler that setup.py then finds to have none
    printf '#!/bin/sh\nfor flag; do [ "$flag" != -fopenmp ] || exit 1; done\nexec gcc "$@"\n' >"$builds/gcc-without-openmp"
    chmod +x "$builds/gcc-without-openmp"
    echo "$builds/gcc-without-openmp"
}

build gcc gcc
build clang clang
build without-openmp "$(without_openmp)"
cut -d' ' -f1,2 "$builds"/*.bits | sort -u >"$builds/hashes"
[ "$(wc -l <"$builds/hashes")" = "$(cut -d' ' -f1 "$builds/hashes" | sort -u | wc -l)" ] ||
    { echo 'the bits differ between compilers' >&2; exit 1; }
echo '== threads and processes without OpenMP'
cd "$tests"
PYTHONPATH=$builds/without-openmp/lib "$python" -m pytest -q -p no:cacheprovider test_threads.py test_processes.py \
    -k 'not omp_ and not interrupt'
