"""The server of the live page: on this machine's loopback only, for whoever has the token."""

from __future__ import annotations

import hmac
import secrets
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sparkdl.optim.watch.document import document
from sparkdl.optim.watch.record import Record

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
RECENT = 6.0  # seconds since a browser last asked within which it counts as open
LAST_LOOK = 2.0  # seconds that an open browser gets to fetch the end


class PageServer:
    """Serves ``record`` at ``url`` from construction to `close`."""

    def __init__(self, record: Record, port: int = 0) -> None:
        self.record, self.token = record, secrets.token_urlsafe(24)
        self.asked = -RECENT  # when a browser last asked for events
        self.told = 0  # events that it has got
        try:
            self._server = _Server((HOST, port), self)
        except OSError as error:
            raise OSError(
                error.errno,
                f"LivePage: no port {port} on {HOST}: {error.strerror}; give another one, or 0 for any free one",
            ) from None
        self.port = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}/?token={self.token}"
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(0.1,), name="sparkdl-page", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Lets an open browser fetch the last events, then frees the port; all threads have ended."""
        deadline = time.monotonic() + LAST_LOOK
        while time.monotonic() < min(deadline, self.asked + RECENT) and self.told < len(self.record):
            time.sleep(0.02)
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for them
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], page: PageServer) -> None:
        self.page = page
        self._open: set[Any] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without a look for the host's name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Ends connections over which nothing has been asked yet: browsers open some ahead of time."""
        with self._lock:
            for each in self._open:
                try:
                    each.shutdown(socket.SHUT_RD)
                except OSError:  # the other side was faster
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no error of training."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "sparkdl", ""
    timeout = 10

    def do_GET(self) -> None:
        page, parts = self.server.page, urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        host = self.headers.get("Host", "").rpartition(":")[0]
        if host not in NAMES or not hmac.compare_digest(asked.get("token", "").encode(), page.token.encode()):
            return self._answer(403, "text/plain", "This page opens with the address that training printed.\n")
        if parts.path == "/":
            return self._answer(200, "text/html", document())
        if parts.path == "/events":
            known = len(page.record)
            text = page.record.since(_number(asked.get("generation")), _number(asked.get("since")))
            self._answer(200, "application/json", text)
            page.asked, page.told = time.monotonic(), known
            return None
        return self._answer(404, "text/plain", "There is nothing here.\n")

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        headers = {
            "Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body)), "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
            "Cross-Origin-Resource-Policy": "same-origin",
        }  # fmt: skip
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Addresses hold the token: they go into no log."""


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 18 else -1
