"""What webhooks are sent to in tests, and who verifies them."""
import http.server
import os
import queue
import subprocess
import sys
import threading
import time

from harness import ROOT

SECONDS = float(os.environ.get("E2E_SECONDS", "20"))
LIBRARY = "standardwebhooks==1.1.0"  # of PyPI; needs nothing but Python


def standard_webhooks():
    """The library's Webhook, or nothing where it cannot be had."""
    place = os.path.join(ROOT, "build", "standardwebhooks")
    directory = os.path.join(place, "library")
    if not os.path.exists(os.path.join(directory, "standardwebhooks")):
        for command in ([sys.executable, "-m", "venv", "--clear", place],
                        [os.path.join(place, "bin", "pip"), "install", "-q", "--no-deps", "--target", directory, LIBRARY]):
            if subprocess.run(command, check=False, capture_output=True).returncode != 0:
                return None
    sys.path.insert(0, directory)
    try:
        from standardwebhooks import Webhook
        return Webhook
    except ImportError:
        return None


class Receiver:
    """Takes what is posted, and answers as told: `status` for all, or what `answer(number, headers, body)` says, a status
    or a pair of a status and headers."""

    def __init__(self, keeps_alive=True, answer=None):
        self.got, self.status, self.delay, self.answer, self.count = queue.Queue(), 204, 0, answer, 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1" if keeps_alive else "HTTP/1.0"
            disable_nagle_algorithm = True  # an answer in two pieces would wait 40 ms

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(receiver.delay)
                headers = dict(self.headers.items())
                receiver.count += 1
                status = receiver.answer(receiver.count, headers, body) if receiver.answer else receiver.status
                status, more = status if isinstance(status, tuple) else (status, {})
                receiver.got.put((self.path, headers, body))
                if keeps_alive:
                    self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # whoever posts is killed in the end
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, count):
        return [self.got.get(timeout=SECONDS) for _ in range(count)]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
