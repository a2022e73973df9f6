"""Headless Chromium: runs a script in a page that has the library loaded, and gives what it returns."""

import json
import subprocess
from collections.abc import Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

ROOT = Path(__file__).parents[2]
WEB = ROOT / "splatcodec" / "web"
PRIORS = ROOT / "splatcodec" / "compress" / "priors.bin"
SECONDS = 120
"""A browser that has not answered by then is stuck."""


class Handler(SimpleHTTPRequestHandler):
    """Serves given files, by their paths; what a page posts is its answer."""

    def __init__(self, *arguments: Any, files: Mapping[str, bytes], answers: "Queue[Any]") -> None:
        self.files, self.answers = files, answers
        super().__init__(*arguments)

    def do_GET(self) -> None:
        content = self.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Type", self.guess_type(self.path))
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def do_POST(self) -> None:
        self.answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


PAGE = """<!doctype html><meta charset=utf-8><body>{head}<script>
const answer = (value) => fetch("answer", {{ method: "POST", body: JSON.stringify(value) }});
const run = async () => {{ {script} }};
run().then(answer, (error) => answer({{ error: String(error.stack) }}));
</script>"""
SCRIPTS = "".join(f"<script src={name}></script>" for name in ("gsi.js", "render.js", "gsi-image.js"))


def in_chromium(script: str, files: Mapping[str, bytes], *flags: str, head: str = SCRIPTS) -> Any:
    """What the body of an asynchronous function returns, as JSON, in a page that has the library loaded.

    Args:
        script: the body.
        files: what the page can fetch, beside the library and its tables, by name.
        flags: more of those that Chromium is started with.
        head: what stands in the page before the script.

    Raises:
        RuntimeError: the script throws something.
        TimeoutError: it takes too long.
    """
    library = {path.name: path.read_bytes() for path in [*WEB.iterdir(), PRIORS] if path.is_file()}
    page = PAGE.format(head=head, script=script).encode()
    served = {f"/{name}": content for name, content in {**library, **files, "page.html": page}.items()}
    answers: Queue[Any] = Queue()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, files=served, answers=answers))
    Thread(target=server.serve_forever, daemon=True).start()
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        command += ["--disable-background-networking", f"--user-data-dir={profile}", *flags]
        address = f"http://127.0.0.1:{server.server_port}/page.html"
        browser = subprocess.Popen([*command, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            answer = answers.get(timeout=SECONDS)
        except Empty:
            raise TimeoutError(f"the page did not answer within {SECONDS} seconds") from None
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
            server.server_close()
    if isinstance(answer, dict) and "error" in answer:
        raise RuntimeError(answer["error"])
    return answer
