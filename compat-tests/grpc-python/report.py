"""Runs features and prints what came of each; what a feature needs to say what it expects."""

import os
import sys
import traceback

# The longest that one call may take on a busy machine.
PATIENCE = 60
ADDRESSES = os.environ["GRPC"].split(",")
RUN = os.environ["RUN_ID"]


def same(expected, seen, what):
    """`seen` equals `expected`."""
    if expected != seen:
        raise AssertionError(f"{what}: expected {expected!r:.200}, got {seen!r:.200}")


def run(checks):
    """Runs `checks`, functions by name; ends the program with 1 if any failed."""
    only = os.environ.get("FEATURE")
    failed = False
    for name, check in checks.items():
        if only and only != name:
            continue
        try:
            check()
            print(f"PASS {name}", flush=True)
        except Exception as error:
            failed = True
            line = traceback.extract_tb(error.__traceback__)[-1].lineno
            print(f"FAIL {name}: {' '.join(f'{type(error).__name__}: {error} (line {line})'.split())}", flush=True)
    sys.exit(1 if failed else 0)
