"""The places where mutants.py breaks the core: what it replaces there, and the tests that have to see it."""

from __future__ import annotations

from . import calls, kernels, plans, untiled

MUTANTS = (*kernels.MUTANTS, *untiled.MUTANTS, *plans.MUTANTS, *calls.MUTANTS)
