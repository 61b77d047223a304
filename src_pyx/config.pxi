# What this build is and which instruction set it runs.

cdef const isa *selected = NULL          # what new layers take


def version():
    return PWCONV_VERSION.decode()


def compiler():
    return COMPILER.decode()


def flags():
    return PWCONV_FLAGS.decode()


def openmp_version():
    """The date of the OpenMP specification that the build follows, as yyyymm; 0 for a build without OpenMP."""
    return OPENMP_VERSION


def known_isas():
    """Names of the instruction sets of this build's architecture, best first."""
    return tuple(KNOWN_ISAS.decode().split())


def available_isas():
    """Names of the instruction sets that run here, best first."""
    cdef const isa *const *sets = available_isas_c()
    names = []
    while sets[0] != NULL:
        names.append(sets[0].name.decode())
        sets += 1
    return tuple(names)


def select_isa(str name not None):
    """Let new layers take an instruction set that runs here; returns the name of the one before."""
    global selected
    cdef const isa *const *sets = available_isas_c()
    before = selected_isa()
    while sets[0] != NULL:
        if sets[0].name.decode() == name:
            selected = sets[0]
            return before
        sets += 1
    raise ValueError(f"instruction set must be one of {', '.join(available_isas())}, got {name!r}")


def selected_isa():
    return selected.name.decode()


def has_fma():
    """Whether sums are chains of fused multiply-adds, whose bits every such set shares."""
    return bool(selected.fma)


selected = available_isas_c()[0]
