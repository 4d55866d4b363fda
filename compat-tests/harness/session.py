"""One family's run: a fresh broker with a control, the family's program against it, its report, the broker's end."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from harness import builds
from harness.broker import Bateau, BrokerError, Control, Kafka
from harness.report import features_of

# A program that hangs in all its bounded waits is ended after this; millions of lines with kills may take long.
CLIENT_SECONDS = 900
LINES_SECONDS = 3 * 3600


def end_on_sigterm():
    """Makes SIGTERM unwind the harness, so that it ends the broker that it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def program(family):
    """The command that runs all features of `family`."""
    here = builds.HERE
    return {
        "kcat": ["bash", str(here / "kcat" / "features")],
        "rdkafka": [str(builds.RDKAFKA_BINARY)],
        "java": java("compat.Main"),
        "franz-go": [str(builds.FRANZ_GO_BINARY)],
    }[family]


def java(*arguments):
    """The command of the Java family's program."""
    classes = f"{builds.JAVA_OUT / 'classes'}:{builds.JAVA_OUT / 'libs'}/*"
    return ["java", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classes, *arguments]


def start_broker(kind, directory, binary):
    """A started broker of `kind` in `directory`; `binary` is Bateau's."""
    broker = Kafka(directory, builds.KAFKA_JARS) if kind == "kafka" else Bateau(directory, binary)
    try:
        broker.start()
    except BaseException:
        broker.discard()
        raise
    return broker


def run_family(family, command, results, options):
    """Runs `command` against a fresh broker and puts what it reports into `results`.

    `options` has broker, bin, feature, work (the run's temporary directory) and run_id.
    """
    expected = [options.feature] if options.feature else features_of(family)
    directory = Path(options.work) / family
    failed_before = results.failed
    began = time.monotonic()
    broker = None
    try:
        broker = start_broker(options.broker, directory / "broker", options.bin)
        control = Control(broker)
        try:
            reason = _run_program(family, command, results, broker, control, directory, options)
        finally:
            control.close()
        results.missing_are_failures(family, expected, reason)
        broker.stop()
    except BrokerError as error:
        results.missing_are_failures(family, expected, str(error))
        results.fail(family, "broker", str(error))
    finally:
        if broker:
            broker.discard()
    if results.failed > failed_before:
        print(f"--- {family}: end of the broker's log; the rest is in {directory}")
        print(broker.log_tail() if broker else "")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{family}: {time.monotonic() - began:.0f} s", flush=True)


def _run_program(family, command, results, broker, control, directory, options):
    """Runs the program to its end; returns why a feature that it did not report is missing."""
    scratch = directory / "scratch"
    scratch.mkdir(parents=True)
    environment = {
        **os.environ, "BOOTSTRAP": broker.address, "BROKER_CTL": control.address, "SCRATCH": str(scratch), "RUN_ID": options.run_id}
    environment.pop("FEATURE", None)
    if options.feature:
        environment["FEATURE"] = options.feature
    # A group of its own, so that whatever it started can be ended with it.
    running = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        env=environment, start_new_session=True)
    timer = threading.Timer(LINES_SECONDS if family == "lines" else CLIENT_SECONDS, os.killpg, (running.pid, signal.SIGKILL))
    timer.start()
    threading.Thread(target=_end_with_broker, args=(running, broker), daemon=True).start()
    try:
        unread = _follow(family, running.stdout, results)
        running.wait()
    finally:
        timer.cancel()
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    if running.returncode != 0:
        print("".join(unread[-40:]), end="")
    return f"not reported, the program ended with {running.returncode}"


def _end_with_broker(running, broker):
    """Ends the program if the broker ends by itself: each feature after that would only wait in vain."""
    while running.poll() is None:
        if not broker.running():
            os.killpg(running.pid, signal.SIGKILL)
            return
        time.sleep(0.2)


def _follow(family, output, results):
    """Takes and shows the report as it comes; returns the lines that were something else."""
    unread = []
    last = time.monotonic()
    for line in output:
        if results.read_line(family, line):
            now = time.monotonic()
            print(f"{family}: {line.rstrip()} ({now - last:.1f} s)", flush=True)
            last = now
        elif line.startswith(f"{family}: "):
            print(line, end="", flush=True)
        else:
            unread.append(line)
    return unread
