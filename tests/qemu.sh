#!/bin/sh
# Runs tests of instruction sets and of bits on processors that qemu imitates, at a hundredth of the speed: sh qemu.sh python
# NumPy's wheel needs at least a Nehalem; qemu 7 has AVX2 and FMA, but no AVX-512.
set -eu
python=$(command -v "$1")

# A test or two for each promise that an instruction set could break. Left out: which instructions the library's files hold, for
# that does not depend on the processor; and forks, after which qemu 7 fails over its own list of threads (plugins/core.c).
tests="test_isa.py test_numbers.py test_reproducible.py test_special_values.py"
chosen="best_is_picked or variable or switching or every_tail_of or every_depth or one_chain or stride_by_view or \
minus_zero or subnormals or zero_times"

imitate() { # processor, the set that it has to pick, name of the hash that it has to share with this machine, tests left out
    echo "== $1: $2"
    emulator="qemu-x86_64 -cpu $1"
    picked=$($emulator "$python" -c 'from pwconv import _core; print(_core.selected_isa())' 2>/dev/null)
    [ "$picked" = "$2" ] || { echo "$1 picks $picked, not $2" >&2; exit 1; }
    here=$("$python" bits.py --quick | awk -v name="$3" '$1 == name { print $2; exit }')
    there=$($emulator "$python" bits.py --quick 2>/dev/null | awk -v name="$3" '$1 == name { print $2; exit }')
    [ -n "$there" ] || { echo "no results on $1" >&2; exit 1; }
    [ -n "$here" ] || echo "SKIPPED: this machine has no $2 to compare bits with"
    [ "$there" = "${here:-$there}" ] || { echo "the bits differ: $here here, $there on $1" >&2; exit 1; }
    # shellcheck disable=SC2086  # lists of words
    PWCONV_INTERPRETER="$emulator $python" $emulator "$python" -m pytest -q -p no:cacheprovider $tests \
        -k "($chosen) and not ($4)" 2>/dev/null
}

imitate Nehalem baseline baseline 'avx2 or avx512'
imitate Haswell avx2 fma 'baseline or avx512'
