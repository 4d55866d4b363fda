"""The broker's remote control: asks the harness to restart or to kill the broker. Starts and stops nothing itself."""

import os
import socket
import threading

from compat.expect import Unmet


def control(verb):
    """`restart` or `kill`; returns when the broker is ready again."""
    host, port = os.environ["BROKER_CTL"].rsplit(":", 1)
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{verb}\n".encode())
        answer = connection.makefile().readline().strip()
    if answer != "ok":
        raise Unmet(f"{verb} of the broker: expected ok, got {answer!r}")


class Restart:
    """A restart or kill that goes on in the background from its construction on."""

    def __init__(self, verb):
        self._failure = None
        self._thread = threading.Thread(target=self._run, args=(verb,), daemon=True)
        self._thread.start()

    def _run(self, verb):
        try:
            control(verb)
        except (Unmet, OSError) as error:
            self._failure = error

    def going_on(self):
        """Whether the broker is not yet ready again; raises if the harness could not do it."""
        if self._thread.is_alive():
            return True
        if self._failure:
            raise self._failure
        return False
