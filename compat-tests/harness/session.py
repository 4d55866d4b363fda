"""One family's run: a fresh broker with a control, the family's program against it, its report, the broker's end."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import builds, cluster
from harness.broker import BrokerError
from harness.control import Control

# The programs that run now, and whether the harness is ending; what several families share.
_running = set()
_ending = threading.Event()
_printing = threading.Lock()


def end_on_sigterm():
    """Makes SIGTERM unwind the harness, so that it ends the broker that it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def become_run(family, options, *more):
    """Goes on as `run --only family`, with the `broker`, `nodes`, `bin` and `lines` of `options`."""
    command = [str(builds.HERE / "run"), "--only", family, "--broker", options.broker, "--nodes", str(options.nodes)]
    command += ["--lines", str(options.lines), *more]
    os.execv(command[0], [*command, *(["--bin", str(options.bin)] if options.bin else [])])


def say(text):
    """Prints lines that no other family's lines come between."""
    with _printing:
        print(text, flush=True)


def start_broker(kind, directory, binary, nodes=1):
    """A started broker of `kind` with so many `nodes` in `directory`; `binary` is Bateau's."""
    if kind == "kafka":
        broker = cluster.kafka(directory, builds.KAFKA_JARS, nodes)
    else:
        broker = cluster.bateau(directory, binary, nodes)
    try:
        broker.start()
    except BaseException:
        broker.discard()
        raise
    return broker


def run_families(families, results, options):
    """Runs `families`, `options.jobs` of them at a time; those that want the machine alone come last and one by one."""
    together = [family for family in families if not family.alone]
    try:
        with ThreadPoolExecutor(options.jobs) as pool:
            try:
                for one in [pool.submit(run_family, family, results, options) for family in together]:
                    one.result()
            except BaseException:
                _end_all()
                raise
        for family in families:
            if family.alone:
                run_family(family, results, options)
    except BaseException:
        _end_all()
        raise


def run_family(family, results, options):
    """Runs one family's program against a fresh broker and puts what it reports into `results`.

    `options` has broker, nodes, bin, feature, work (the run's temporary directory), run_id, lines, kills and members.
    """
    if _ending.is_set():
        return
    expected = family.expected(options.feature)
    directory = Path(options.work) / family.name
    began = time.monotonic()
    broker = None
    try:
        broker = start_broker(options.broker, directory / "broker", options.bin, options.nodes)
        control = Control(broker)
        try:
            reason = _run_program(family, expected, results, broker, control, directory, options)
        finally:
            control.close()
        results.missing_are_failures(family.name, expected, reason)
        broker.stop()
    except BrokerError as error:
        results.missing_are_failures(family.name, expected, str(error))
        results.fail(family.name, "broker", str(error))
    finally:
        if broker:
            broker.discard()
    if results.failed_of(family.name):
        tail = broker.log_tail() if broker else ""
        say(f"--- {family.name}: end of the broker's log; the rest is in {directory}\n{tail}")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    say(f"{family.name}: {time.monotonic() - began:.0f} s")


def _run_program(family, expected, results, broker, control, directory, options):
    """Runs the program to its end; returns why a row that it did not report is missing."""
    scratch = directory / "scratch"
    scratch.mkdir(parents=True)
    environment = {
        **os.environ, "BOOTSTRAP": broker.address, "BROKER_CTL": control.address, "SCRATCH": str(scratch), "RUN_ID": options.run_id,
        "BROKER_DATA": broker.data,  # the partitions' folders
        "GRPC": broker.grpc,  # of Bateau alone
        "OUT": str(builds.out(family)), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    environment.pop("FEATURE", None)
    if options.feature:
        environment["FEATURE"] = options.feature
    # A group of its own, so that whatever it started can be ended with it.
    running = subprocess.Popen(
        builds.program(family, LINES=options.lines, KILLS=options.kills, MEMBERS=options.members), cwd=family.folder, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
    _running.add(running)
    timer = threading.Timer(family.seconds, _end, (running,))
    timer.start()
    threading.Thread(target=_end_with_broker, args=(running, broker), daemon=True).start()
    try:
        unread = _follow(family, expected, running, results)
        running.wait()
    finally:
        timer.cancel()
        # Also when the program ended by itself: what it left running must not outlive its broker.
        _end(running)
        running.wait()
        _running.discard(running)
    if running.returncode != 0:
        say("".join(f"{family.name}| {line}" for line in unread[-40:]).rstrip())
    return f"not reported, the program ended with {running.returncode}"


def _end(running):
    try:
        os.killpg(running.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _end_all():
    """Ends every program and starts no more; their families then end by themselves."""
    _ending.set()
    for running in list(_running):
        _end(running)


def _end_with_broker(running, broker):
    """Ends the program if the broker ends by itself: each feature after that would only wait in vain."""
    while running.poll() is None:
        if not broker.running():
            _end(running)
            return
        time.sleep(0.2)


def _follow(family, expected, running, results):
    """Takes and shows the report as it comes; returns the lines that were something else."""
    unread = []
    last = time.monotonic()
    for line in running.stdout:
        if results.read_line(family.name, expected, line):
            took, last = time.monotonic() - last, time.monotonic()
            say(f"{family.name}: {line.rstrip()} ({took:.1f} s)")
        elif line.startswith(f"{family.name}: "):
            say(line.rstrip())
        else:
            unread.append(line)
    return unread
