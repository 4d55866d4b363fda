"""The broker's remote control: how a test program has the broker under it restarted or killed, in the middle of its work."""

import socket
import socketserver
import threading

from harness.broker import HOST, BrokerError


class Control(socketserver.ThreadingTCPServer):
    """The broker's remote control, for test programs in any language: one line in, one line out, over loopback TCP.

    `restart` and `kill` are answered with `ok` when the broker is ready again, otherwise with `error: reason`.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, broker):
        super().__init__((HOST, 0), _Command)
        self.verbs = {"restart": broker.restart, "kill": broker.kill}
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self):
        return f"{HOST}:{self.server_address[1]}"

    def close(self):
        self.shutdown()
        self.server_close()


class _Command(socketserver.StreamRequestHandler):
    def handle(self):
        verb = self.rfile.readline(64).decode(errors="replace").strip()
        try:
            if verb not in self.server.verbs:
                raise BrokerError(f"no verb {verb!r}")
            self.server.verbs[verb]()
            answer = "ok"
        except BrokerError as error:
            answer = f"error: {error}"
        self.wfile.write(f"{answer}\n".encode())


def control(address, verb):
    """Asks the `Control` at `address` for `verb`; returns when the broker is ready again."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{verb}\n".encode())
        answer = connection.makefile().readline().strip()
    if answer != "ok":
        raise BrokerError(f"{verb}: {answer}")
