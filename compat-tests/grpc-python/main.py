"""The compatibility program of grpcio: the book's client and ours, each in a process of its own.

Both files describe the package log.v1, and one process can know only one of them.
"""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent

print(f"VERSION {version('grpcio')}", flush=True)
failed = [program for program in ("book_client.py", "our_client.py") if subprocess.run([sys.executable, HERE / program], check=False).returncode]
sys.exit(1 if failed else 0)
