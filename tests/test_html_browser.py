"""The HTML page in a real browser, at phone and desktop width, light and dark."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import http.server
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import reference
from alexnet_ref.checks import Check
from alexnet_ref.report.html import to_html
from alexnet_ref.report.reproduction import CAP
from reference.shapes import layer_inputs
from tests.test_html import HOSTILE, diagnosed
from tests.test_report import GOOD, made
from tests.wrong_ports import diagnosis_of, evidence_for

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SIZES = {"phone": (390, 1600), "desktop": (1280, 1600)}
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-gpu")
# What --blink-settings calls the two: 0 is dark, 1 light.
SCHEMES = {"dark": 0, "light": 1}
PATIENCE = 120  # seconds: of a machine that does much else

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium on PATH: the page cannot be looked at"),
]


class Recorder(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and writes down what is asked for."""

    def __init__(self, *rest: Any, asked: list[str], **others: Any) -> None:
        """Take the list to write to."""
        self.asked = asked
        super().__init__(*rest, **others)

    def log_message(self, *_: object) -> None:
        """Write the path down, and nothing to the terminal."""
        self.asked.append(self.path)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """Yield (folder, its address, the paths asked for): a server on this machine that sees every request."""
    asked: list[str] = []
    folder = tmp_path / "site"
    folder.mkdir()
    handler = functools.partial(Recorder, directory=str(folder), asked=asked)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield folder, f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def command(folder: Path) -> list[str]:
    """Return what starts the browser, with a profile of its own in this folder."""
    assert BROWSER is not None
    return [BROWSER, "--headless", "--no-sandbox", *QUIET, f"--user-data-dir={folder / 'profile'}"]


def browse(address: str, folder: Path, *options: str, until: Callable[[], bool]) -> tuple[str, str]:
    """Return what the browser has written to standard output and standard error for this page when `until` holds.

    Chromium has done its work then, but does not always end. What it writes goes to files: its helpers may keep a pipe open.
    """
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        words = ["--enable-logging=stderr", "--v=0", *options, address]
        with browser(words, folder, stdout=out, stderr=err) as process:
            wait_for(lambda: until() or process.poll() is not None)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
    stdout, stderr = ((folder / name).read_text(encoding="utf-8", errors="replace") for name in ("stdout", "stderr"))
    return stdout, stderr


@contextlib.contextmanager
def browser(words: list[str], folder: Path, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Keep the browser running until the block ends."""
    process = subprocess.Popen([*command(folder), *words], start_new_session=True, **streams)  # noqa: S603 - our own words
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with what it has started
        process.wait()


def wait_for(done: Callable[[], bool]) -> None:
    """Wait until this holds, or patience ends: what was waited for is asserted by who waits."""
    end = time.monotonic() + PATIENCE
    while not done() and time.monotonic() < end:
        time.sleep(0.2)


def drawn(shot: Path) -> bool:
    """Tell whether a picture is there, whole to the end that every PNG has."""
    return shot.exists() and shot.read_bytes().endswith(b"IEND\xaeB`\x82")


def console(stderr: str) -> list[str]:
    """Return what the page wrote to the browser's console: errors, warnings, refusals of its own policy."""
    return re.findall(r"CONSOLE[^\]]*\] (.*)", stderr)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_the_page_renders(site: tuple[Path, str, list[str]], tmp_path: Path, size: str, scheme: str) -> None:
    """It is drawn, in the scheme that is asked for, without an error, and nothing but the page itself is asked for."""
    pytest.importorskip("matplotlib", reason="the page has no pictures without Matplotlib")
    image = pytest.importorskip("PIL.Image", reason="needs Pillow, which Matplotlib brings, to read a screenshot")
    folder, address, asked = site
    (folder / "report.html").write_text(to_html([diagnosed(), made(GOOD)]), encoding="utf-8")
    shot, (width, height) = tmp_path / "shot.png", SIZES[size]
    _, stderr = browse(
        f"{address}/report.html",
        tmp_path,
        f"--screenshot={shot}",
        f"--window-size={width},{height}",
        "--hide-scrollbars",
        f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
        until=lambda: drawn(shot),
    )
    assert console(stderr) == []
    assert asked == ["/report.html"]
    picture = image.open(io.BytesIO(shot.read_bytes())).convert("RGB")
    assert picture.size == (width, height)
    colours = picture.getcolors(maxcolors=width * height)
    ground = picture.getpixel((2, height // 2))
    assert (sum(ground) < 3 * 128) == (scheme == "dark")
    inked = sum(count for count, colour in colours if colour != ground)
    assert inked > width * height / 20, "the page is nearly blank"
    assert len(colours) > 100, "the pictures are not drawn"


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_than_the_screen(site: tuple[Path, str, list[str]], tmp_path: Path, size: str) -> None:
    """Neither a long name nor a table makes the page scroll sideways: a frame of the screen's width holds all of it."""
    folder, address, _ = site
    report = diagnosed()
    hostile = diagnosis_of("a" * 500, report.diagnoses[0].evidence, fix="b" * 500)
    check = Check(id=f"lrn.probe[{'c' * 500}]", layer="d" * 500, status="failed", fact="e" * 500, ratio=2.0)
    page = to_html([dataclasses.replace(report, diagnoses=(hostile,), candidate=HOSTILE, checks=(*report.checks, check))])
    (folder / "report.html").write_text(page.replace("<details>", "<details open>"), encoding="utf-8")
    # The page has no script of its own: this frame, of the same origin, measures it.
    measure = "document.title = this.contentDocument.documentElement.scrollWidth"
    frame = f"<iframe src=report.html width={SIZES[size][0]} height=900 style='border:0' onload='{measure}'></iframe>"
    (folder / "frame.html").write_text(f"<!doctype html>{frame}", encoding="utf-8")
    written = tmp_path / "stdout"
    found, _ = browse(
        f"{address}/frame.html",
        tmp_path,
        "--dump-dom",
        "--window-size=1600,1000",
        "--hide-scrollbars",
        until=lambda: b"</html>" in written.read_bytes(),
    )
    title = re.search(r"<title>(\d+)</title>", found)
    assert title is not None, found[:500]
    assert int(title[1]) <= SIZES[size][0]


def test_both_files_can_be_downloaded(site: tuple[Path, str, list[str]], tmp_path: Path) -> None:
    """The browser saves what the two links hold, an archive near the cap among them, and together they show the failure."""
    folder, address, _ = site
    network = reference.ARCHITECTURES["keras_sequential"]
    report = dataclasses.replace(diagnosed(), architecture="keras_sequential")
    evidence = evidence_for(network["dense"], layer_inputs(network)["dense"], images=1)
    page = to_html([dataclasses.replace(report, diagnoses=(diagnosis_of("dense", evidence),))])
    (folder / "report.html").write_text(page, encoding="utf-8")
    # Links are clicked in a copy outside the page, whose policy allows no script.
    copy = "Object.assign(document.createElement('a'), {href: a.href, download: a.download})"
    click = f"for (const a of this.contentDocument.querySelectorAll('a.download')) document.body.appendChild({copy}).click()"
    (folder / "frame.html").write_text(f'<!doctype html><iframe src=report.html onload="{click}"></iframe>', encoding="utf-8")
    saved, profile = tmp_path / "saved", tmp_path / "profile" / "Default"
    saved.mkdir()
    profile.mkdir(parents=True)
    settings = {
        "download": {"default_directory": str(saved), "prompt_for_download": False},
        "profile": {"default_content_setting_values": {"automatic_downloads": 1}},
    }
    (profile / "Preferences").write_text(json.dumps(settings), encoding="utf-8")
    wanted = ["reproduce_dense.npz", "reproduce_dense.py"]  # a file that is still being written has another name
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # With a port it does not end by itself.
    with browser(["--remote-debugging-port=0", f"{address}/frame.html"], tmp_path, **quiet):
        wait_for(lambda: sorted(path.name for path in saved.iterdir()) == wanted)
    assert sorted(path.name for path in saved.iterdir()) == wanted
    assert (saved / "reproduce_dense.npz").stat().st_size > CAP / 2
    script = [sys.executable, "-I", "reproduce_dense.py"]
    result = subprocess.run(script, cwd=saved, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert (result.returncode, result.stderr) == (1, "")


def test_what_goes_wrong_is_seen(site: tuple[Path, str, list[str]], tmp_path: Path) -> None:
    """The instruments themselves: a refused script and a picture from elsewhere are seen."""
    folder, address, asked = site
    policy = "<meta http-equiv='Content-Security-Policy' content=\"script-src 'none'\">"
    text = f"<!doctype html>{policy}<link rel=icon href=data:,><img src=missing.png><script>1</script>"
    (folder / "bad.html").write_text(text, encoding="utf-8")
    shot = tmp_path / "shot.png"
    _, stderr = browse(f"{address}/bad.html", tmp_path, f"--screenshot={shot}", until=lambda: drawn(shot))
    assert "/missing.png" in asked
    assert any("Content Security Policy" in line for line in console(stderr))


def test_a_browser_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chromium once did its work and stayed: what it has written is taken, and it is ended with all that it started."""
    stub = tmp_path / "stub"
    stub.write_text('#!/bin/sh\nsleep 1000 &\necho "$!"\nsleep 1000\n', encoding="utf-8")
    stub.chmod(0o755)
    monkeypatch.setattr(sys.modules[__name__], "BROWSER", str(stub))
    found, _ = browse("about:blank", tmp_path, until=lambda: (tmp_path / "stdout").read_bytes().endswith(b"\n"))
    wait_for(lambda: not running(int(found)))
    assert not running(int(found))


def running(process: int) -> bool:
    """Tell whether it has not ended, or been ended."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
