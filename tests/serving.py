"""A file server on this machine that also does what servers and networks do wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """One file and how it is served.

    cut: the connection ends after this many bytes of an answer. stall: instead of ending, it hangs there.
    ranges: whether range requests are understood. told: the length the header claims, instead of the true one; None: no
    length at all. errors: HTTP codes that the first requests get.
    """

    content: bytes
    cut: int | None = None
    stall: bool = False
    ranges: bool = True
    told: int | None = -1
    errors: list[int] = field(default_factory=list)


@dataclass
class Server:
    """files: by path, "/a.zip". requests: (path, Range header or None) in order. sent: bytes of all answers."""

    address: str = ""
    files: dict[str, Served] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    sent: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    def put(self, name: str, content: bytes, **how) -> str:
        self.files[f"/{name}"] = Served(content, **how)
        return f"{self.address}/{name}"

    def asked(self, name: str) -> list[str | None]:
        return [asked for path, asked in self.requests if path == f"/{name}"]


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            server.requests.append((self.path, wanted))
            served = server.files.get(self.path)
            if served is None or served.errors:
                return self.send_error(served.errors.pop(0) if served else 404)
            content, start = served.content, 0
            if wanted and served.ranges:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            if served.told is not None:
                self.send_header("Content-Length", str(len(content) - start if served.told < 0 else served.told))
            self.end_headers()
            rest = content[start:] if served.cut is None else content[start : start + served.cut]
            server.sent += len(rest)  # before the client can know
            self.wfile.write(rest)
            if served.stall:
                server.closing.wait()
            self.close_connection = True

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        server.address = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            running.shutdown()
            thread.join()
