"""Installs what the tests need and builds each family's program, outside the clone.

Everything built lies in a cache folder, so a second run builds nothing anew; removing that folder is always safe.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.families import HERE

ROOT = HERE.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bateau-compat"
KAFKA_JARS = CACHE / "kafka" / "libs"
# Builds that run side by side: some compile, some wait for a download.
BUILDS_AT_ONCE = 3

# Command (or, for `python3-venv`, module) -> Debian package that brings it.
PACKAGES = {
    "kcat": "kcat", "java": "default-jdk-headless", "javac": "default-jdk-headless", "mvn": "maven", "go": "golang-go",
    "cargo": "cargo", "cc": "build-essential", "c++": "build-essential", "make": "build-essential",
    "node": "nodejs", "npm": "npm", "python3": "python3", "python3-venv": "python3-venv",
}
# What the targets need that are no families.
BATEAU_NEEDS = ["cargo", "cc"]
KAFKA_NEEDS = ["java", "mvn"]
# The caller's flags and target directory never reach a family: other flags would compile its C libraries anew.
NOT_FOR_BUILDS = ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "GOFLAGS", "CFLAGS", "CXXFLAGS")


class BuildError(Exception):
    """Something could not be installed or built."""


def prepare(families, bateau=False, kafka=False):
    """Installs and builds what `families` need, and a Bateau or the jars of a real Kafka, a few builds side by side."""
    kafka = kafka or any("kafka" in family.uses for family in families)
    needs = [*(BATEAU_NEEDS if bateau else []), *(KAFKA_NEEDS if kafka else [])]
    # A broker is ready when kcat finds it so.
    install(["kcat", *needs, *(need for family in families for need in family.needs)])
    CACHE.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(BUILDS_AT_ONCE) as pool:
        building = [pool.submit(_bateau)] if bateau else []
        building += [pool.submit(_kafka)] if kafka else []
        building += [pool.submit(_family, family) for family in families if family.build]
        for one in building:
            one.result()


def install(commands):
    """Brings every missing command by apt-get, as root or by sudo."""
    unknown = sorted(set(commands) - PACKAGES.keys())
    if unknown:
        raise BuildError(f"no package is known for {unknown}")
    missing = sorted({command for command in commands if not _present(command)})
    if not missing:
        return
    packages = sorted({PACKAGES[command] for command in missing})
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    _run("apt", [*apt, "update"])
    _run("apt", [*apt, "install", "--no-install-recommends", *packages])
    still = [command for command in missing if not _present(command)]
    if still:
        raise BuildError(f"not found after installing {packages}: {still}")


def bateau_binary():
    """Where `cargo build --release` at the repository's root puts the broker."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or "target")
    return (ROOT / target) / "release" / "bateau"


def out(family):
    """The cache directory of one family: all that its build may write to."""
    return CACHE / family.name


def filled_in(command, family, **more):
    """`command` with `${OUT}`, `${HERE}` (the family's folder), `${CACHE}` and the names of `more` replaced."""
    values = {"OUT": out(family), "HERE": family.folder, "CACHE": CACHE, **more}
    filled = []
    for word in command:
        for name, value in values.items():
            word = word.replace("${" + name + "}", str(value))
        filled.append(word)
    return filled


def program(family, **more):
    """The command that runs all features of `family`."""
    return filled_in(family.run, family, **more)


def _present(command):
    if command == "python3-venv":
        return subprocess.run(["python3", "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode == 0
    return shutil.which(command) is not None


def _bateau():
    _run("bateau", ["cargo", "build", "--release", "--locked"], cwd=ROOT)


def _kafka():
    pom = HERE / "kafka" / "pom.xml"
    with _locked("kafka"):
        if _stamped(KAFKA_JARS.parent, _digest(HERE / "kafka", [pom], [])):
            return
        # A jar of another release must not be found beside the new one.
        shutil.rmtree(KAFKA_JARS, ignore_errors=True)
        _run("kafka", ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={KAFKA_JARS}"])
        _stamp(KAFKA_JARS.parent, _digest(HERE / "kafka", [pom], []))


def _family(family):
    with _locked(family.name):
        digest = _digest(family.folder, _sources(family), family.build)
        directory = out(family)
        if _stamped(directory, digest):
            return
        directory.mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if name not in NOT_FOR_BUILDS}
        environment |= {"OUT": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
        _run(family.name, filled_in(family.build, family), cwd=family.folder, env=environment)
        _stamp(directory, digest)


def _locked(name):
    """An open file that holds the build lock of `name`: another clone on this machine may be building into the same cache."""
    lock = open(CACHE / f"{name}.lock", "w")  # noqa: SIM115: the caller closes it by `with`
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _sources(family):
    files = set()
    for pattern in family.sources:
        found = list(family.folder.glob(pattern))
        if not found:
            raise BuildError(f"{family.name}: no source is named {pattern}")
        for path in found:
            files |= {path} if path.is_file() else {below for below in path.rglob("*") if below.is_file()}
    return sorted(files)


def _run(family, command, **options):
    """Runs one build step; its output is shown only if it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        check=False, **options)
    if done.returncode != 0:
        print("\n".join(done.stdout.splitlines()[-60:]), file=sys.stderr)
        raise BuildError(f"{family}: `{' '.join(command)}` ended with {done.returncode}")


def _digest(folder, sources, build):
    digest = hashlib.sha256(json.dumps(build).encode())
    for source in sources:
        digest.update(str(source.relative_to(folder)).encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def _stamped(directory, digest):
    stamp = directory / "stamp"
    if stamp.exists() and stamp.read_text() == digest:
        return True
    stamp.unlink(missing_ok=True)  # a build that fails halfway must not pass for the one before
    return False


def _stamp(directory, digest):
    (directory / "stamp").write_text(digest)
