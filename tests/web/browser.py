"""Programs that run JavaScript: Node for the decoder, headless Chromium for what is drawn."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "splatcodec" / "web"
PRIORS = ROOT / "splatcodec" / "compress" / "priors.bin"
SECONDS = 120
"""A browser that has not answered by then is stuck."""

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")


def in_node(script: str, *arguments: str | Path) -> Any:
    """What a script prints as JSON."""
    command = ["node", "-e", script, "--", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


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
            pytest.fail("the page did not answer")
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
            server.server_close()
    assert not (isinstance(answer, dict) and "error" in answer), answer["error"]
    return answer
