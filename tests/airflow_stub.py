"""What stubs of Airflow's API share: JSON in, JSON out, and a thread that serves until the test is over."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler


class JsonHandler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def given(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, status, told):
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(server):
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
