"""How a feature says what it expects; every failure tells what was expected and what was seen. Waits poll and have a deadline."""

import time

# The longest wait for anything that a group, a restarted broker or a slow machine may delay.
PATIENCE = 30.0
PAUSE = 0.02


class Unmet(Exception):
    """An expectation of a feature did not hold."""


def same(expected, seen, what):
    """`seen` equals `expected`."""
    if expected != seen:
        raise Unmet(f"{what}: expected {shortened(expected)}, got {shortened(seen)}")


def ensure(holds, otherwise):
    """`holds` is true."""
    if not holds:
        raise Unmet(otherwise)


def refused(client, code, call, *arguments):
    """`call` raises the client's error for Kafka's error `code`."""
    try:
        answer = call(*arguments)
    except Exception as error:
        if client.code(error) != code:
            raise Unmet(f"expected a refusal with code {code}, got {type(error).__name__}: {error}") from error
    else:
        raise Unmet(f"expected a refusal with code {code}, got {shortened(answer)}")


def until(step, seconds=PATIENCE):
    """Repeats `step` until it no longer raises `Unmet`, at most for `seconds`; returns what it returns."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return step()
        except Unmet as unmet:
            if time.monotonic() > deadline:
                raise Unmet(f"after {seconds:g} s: {unmet}") from None
        time.sleep(PAUSE)


def shortened(value):
    """The text of `value`, bounded."""
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}... ({len(text)} characters)"
