"""The program of a family: VERSION first, then `PASS feature` or `FAIL feature: reason` for each; with `member` one group member.

Starts no broker; the harness gives BOOTSTRAP, BROKER_CTL, SCRATCH and RUN_ID, and FEATURE for only one of them.
"""

import logging
import os
import sys
import threading

from compat import commits, failures, groups, member, offsets, rebalances, records, restarts, topics
from compat.expect import Unmet

# The longest time that one feature may take; restarts of a real Kafka are the slowest.
FEATURE_SECONDS = 150

# In the order of the run. A feature is a function that takes the client and raises what went wrong.
CHECKS = [
    *topics.CHECKS, *records.CHECKS, *offsets.CHECKS, *commits.CHECKS, *rebalances.CHECKS, *groups.CHECKS, *failures.CHECKS,
    *restarts.CHECKS,
]


def main(client_class):
    """Runs what the command line asks for; exits with 1 if anything failed."""
    # Clients log each lost connection; what matters of it is raised or seen by the features.
    level, form = os.environ.get("LOG_LEVEL", "CRITICAL"), "%(relativeCreated)d %(name)s %(message)s"
    logging.basicConfig(level=level, stream=sys.stderr, format=form)
    if sys.argv[1:] == ["member"]:
        sys.exit(member.run(client_class()))
    if sys.argv[1:]:
        sys.exit("usage: main.py [member]")
    print(f"VERSION {client_class.version()}", flush=True)
    only = os.environ.get("FEATURE")
    failed = 0
    for name, check in CHECKS:
        if name in client_class.lacking or (only and only != name):
            continue
        reason = run_one(client_class, check)
        failed += reason is not None
        print(f"PASS {name}" if reason is None else f"FAIL {name}: {reason}", flush=True)
    sys.stdout.flush()
    # A feature that hangs has left threads behind, which an orderly exit would wait for.
    os._exit(1 if failed else 0)


def run_one(client_class, check):
    """Runs one feature with a client of its own, on a thread of its own; the reason of its failure, or None."""
    outcome = [f"no end after {FEATURE_SECONDS} s"]

    def attempt():
        client = client_class()
        try:
            check(client)
            outcome[0] = None
        except Unmet as unmet:
            outcome[0] = one_line(str(unmet))
        except Exception as error:
            where = error.__traceback__
            while where.tb_next and "compat" in where.tb_next.tb_frame.f_code.co_filename:
                where = where.tb_next
            outcome[0] = one_line(f"{type(error).__name__}: {error} (in {where.tb_frame.f_code.co_name}, line {where.tb_lineno})")
        client.close()

    running = threading.Thread(target=attempt, daemon=True)
    running.start()
    running.join(FEATURE_SECONDS)
    return outcome[0]


def one_line(text):
    """The text as one line: a report is one line per feature."""
    return " ".join(text.split())
