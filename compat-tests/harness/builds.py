"""Installs what the tests need and builds each family's program, outside the clone.

Everything built lies in a cache folder, so a second run builds nothing anew; removing that folder is always safe.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bateau-compat"
KAFKA_JARS = CACHE / "kafka" / "libs"
JAVA_OUT = CACHE / "java"
FRANZ_GO_BINARY = CACHE / "franz-go" / "franz-go"
RDKAFKA_OUT = CACHE / "rdkafka"
RDKAFKA_BINARY = RDKAFKA_OUT / "release" / "compat-rdkafka"

# Command -> Debian package that brings it.
PACKAGES = {
    "kcat": "kcat", "java": "default-jdk-headless", "javac": "default-jdk-headless", "mvn": "maven", "go": "golang-go",
    "cargo": "cargo", "cc": "build-essential", "c++": "build-essential", "make": "build-essential",
}
# Which commands each target needs.
NEEDS = {
    "bateau": ["cargo", "cc"],
    "kafka": ["java", "mvn"],
    "kcat": [],
    "rdkafka": ["cargo", "cc", "c++", "make"],
    "java": ["java", "javac", "mvn"],
    "franz-go": ["go"],
}


class BuildError(Exception):
    """Something could not be installed or built."""


def prepare(targets):
    """Installs and builds `targets`, names of NEEDS, the builds side by side."""
    install(["kcat", *(command for target in targets for command in NEEDS[target])])
    CACHE.mkdir(parents=True, exist_ok=True)
    steps = {"bateau": _bateau, "kafka": _kafka, "rdkafka": _rdkafka, "java": _java, "franz-go": _franz_go}
    with open(CACHE / "lock", "w") as lock, ThreadPoolExecutor() as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another clone on this machine may be building into the same cache
        building = [pool.submit(steps[target]) for target in targets if target in steps]
        for one in building:
            one.result()


def install(commands):
    """Brings every missing command by apt-get, as root or by sudo."""
    missing = sorted({command for command in commands if not shutil.which(command)})
    if not missing:
        return
    packages = sorted({PACKAGES[command] for command in missing})
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    _run("apt", [*apt, "update"])
    _run("apt", [*apt, "install", "--no-install-recommends", *packages])
    still = [command for command in missing if not shutil.which(command)]
    if still:
        raise BuildError(f"not found after installing {packages}: {still}")


def bateau_binary():
    """Where `cargo build --release` at the repository's root puts the broker."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or "target")
    return (ROOT / target) / "release" / "bateau"


def _bateau():
    _run("bateau", ["cargo", "build", "--release", "--locked"], cwd=ROOT)


def _kafka():
    if _fresh(KAFKA_JARS.parent, [HERE / "kafka" / "pom.xml"]):
        return
    _maven("kafka", "dependency:copy-dependencies", f"-DoutputDirectory={KAFKA_JARS}")
    _built(KAFKA_JARS.parent, [HERE / "kafka" / "pom.xml"])


def _java():
    sources = [HERE / "java" / "pom.xml", *sorted((HERE / "java" / "src").rglob("*.java"))]
    if _fresh(JAVA_OUT, sources):
        return
    _maven("java", f"-Dcompat.build={JAVA_OUT}", "compile", "dependency:copy-dependencies")
    _built(JAVA_OUT, sources)


def _maven(family, *arguments):
    _run(family, ["mvn", "-q", "-B", "-f", str(HERE / family / "pom.xml"), *arguments])


def _rdkafka():
    command = ["cargo", "build", "--release", "--locked", "--manifest-path", str(HERE / "rdkafka" / "Cargo.toml")]
    # Never the caller's flags or target directory: other flags would compile librdkafka anew.
    environment = {name: value for name, value in os.environ.items() if name not in ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS")}
    _run("rdkafka", command, env={**environment, "CARGO_TARGET_DIR": str(RDKAFKA_OUT)})


def _franz_go():
    FRANZ_GO_BINARY.parent.mkdir(parents=True, exist_ok=True)
    _run("franz-go", ["go", "build", "-o", str(FRANZ_GO_BINARY), "."], cwd=HERE / "franz-go")


def _run(family, command, **options):
    """Runs one build step; its output is shown only if it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode != 0:
        print("\n".join(done.stdout.splitlines()[-60:]), file=sys.stderr)
        raise BuildError(f"{family}: `{' '.join(command)}` ended with {done.returncode}")


def _digest(sources):
    digest = hashlib.sha256()
    for source in sources:
        digest.update(str(source).encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def _fresh(directory, sources):
    stamp = directory / "stamp"
    if stamp.exists() and stamp.read_text() == _digest(sources):
        return True
    # What an older version left (a class, a jar of another release) must not be found by the new one.
    shutil.rmtree(directory, ignore_errors=True)
    return False


def _built(directory, sources):
    (directory / "stamp").write_text(_digest(sources))
