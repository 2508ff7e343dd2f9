"""The HTML page: what it says, that it needs nothing from anywhere, and that no stranger's word becomes markup."""

from __future__ import annotations

import base64
import dataclasses
import html.parser
import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from alexnet_ref.checks import Check
from alexnet_ref.diagnosis import Evidence
from alexnet_ref.expected import Expectation
from alexnet_ref.report import Report, charts, pictures
from alexnet_ref.report.html import to_html, write_html
from reference import InvalidInput
from tests.test_report import BAD, GOOD, UNSEEN, full_report, made
from tests.wrong_ports import TF1, diagnosis_of, evidence_for

FETCHING = {"src", "srcset", "href", "action", "data", "poster", "background", "formaction", "xlink:href", "ping"}
NORM1 = TF1["norm1"]


class Page(html.parser.HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Take a tag; what has no end is never open."""
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost tag, which must be this one."""
        assert self.open.pop() == tag, "the page's tags are not nested"

    def handle_data(self, data: str) -> None:
        """Take text, but for the style sheet's."""
        if not self.open or self.open[-1] != "style":
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every tag of this name."""
        return [attributes for name, attributes in self.tags if name == tag]


def diagnosed(evidence: Evidence | None = None) -> Report:
    """Return a full report whose diagnosis has this evidence; some of norm1's where none is given."""
    return dataclasses.replace(full_report(), diagnoses=(diagnosis_of("norm1", evidence or evidence_for(NORM1, (14, 14, 64))),))


def fetched(text: str) -> list[str]:
    """Return every address that the page would load or lead to, but for its own parts and what is inside it."""
    found = [str(v) for _, attributes in Page(text).tags for k, v in attributes.items() if k in FETCHING]
    found += re.findall(r"url\(([^)]*)\)|@import\s+(\S+)", text.partition("<style>")[2].partition("</style>")[0])
    return [address for address in found if not str(address).startswith(("data:", "#"))]


def test_the_page_loads_nothing() -> None:
    """Nothing but data: URIs, no script, no handler, and a policy that forbids all else."""
    text = to_html([diagnosed(), made(GOOD)])
    page = Page(text)
    assert page.open == []
    assert fetched(text) == []
    assert {"rel": "icon", "href": "data:,"} in page.of("link"), "without one, browsers ask the server for its own"
    assert not {"script", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    policy = next(str(meta["content"]) for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_what_is_fetched_is_found() -> None:
    """The search itself: it finds a picture, a link and a style sheet from elsewhere."""
    head = '<style>@import "b.css"; p { background: url(c.png) }</style>'
    assert len(fetched(f'{head}<img src="//a/b.png"><a href="https://a/">x</a>')) == 4


def test_the_verdict_comes_first() -> None:
    """The first heading is the verdict, the sentence follows, then the diagnosis with its fix."""
    page = Page(to_html([diagnosed()]))
    words = [
        page.text.index(word) for word in ("tf1_graph does not conform", diagnosed().sentence, "Diagnosis", "Layers, by slack")
    ]
    assert words == sorted(words)
    assert "alpha=0.001 / 9" in page.text[words[2] : words[3]]


def test_every_check_has_its_row() -> None:
    """All checks, the reasons of expected failures, what could not be checked, stale entries and the environment are there."""
    text = Page(to_html([diagnosed()])).text
    for check in full_report().checks:
        assert check.id in text
    for words in ("Expected: known", "What could not be checked: 1", "was expected to fail, and passed", "tf32"):
        assert words in text, words


def test_a_report_that_conforms_says_so() -> None:
    """The page of a correct port has no diagnosis and no list of what is wrong; that of nothing at all claims nothing."""
    text = Page(to_html([made(GOOD, UNSEEN)])).text
    assert "tf1_graph conforms" in text
    assert "What is wrong" not in text
    assert "Diagnosis" not in text
    assert "Nothing was judged" in Page(to_html([])).text
    assert "conforms:" not in Page(to_html([])).text


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}]]>\x1b[31m\x00\u202e\ud800\n" + "z" * 9000


def test_a_strangers_words_stay_words() -> None:
    """Markup, templates, control characters, direction overrides and endless names are shown as text, wherever they stand."""
    checks = (
        Check(id=f"lrn.probe[{HOSTILE}]", layer=HOSTILE, status="failed", fact=HOSTILE, error=1.0, allowed=0.1, ratio=10.0),
        Check(id="lrn.exact[b]", layer="b", status="failed", fact=HOSTILE),
        Check(id="lrn.unseen[c]", layer="c", status="not checkable", fact=HOSTILE),
    )
    plain = evidence_for(NORM1, (3, 5, 7))
    report = Report(
        candidate=HOSTILE,
        architecture="tf1_graph",
        checks=checks,
        environment={HOSTILE: HOSTILE, "list": [HOSTILE]},
        diagnoses=(diagnosis_of(HOSTILE, plain, fix=HOSTILE),),
        expectations=(Expectation(check="lrn.exact[b]", reason=HOSTILE), Expectation(check=HOSTILE, reason=HOSTILE)),
    )
    text = to_html([report])
    text.encode("utf-8")
    page = Page(text)
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.tags}
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in page.of("img"))
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert "{{ 7*7 }}" in page.text
    assert not {"\x1b", "\x00", "\u202e"} & set(text)
    assert "z" * 2500 not in text
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,90}", str(link["download"])) for link in page.of("a"))


# ---- Drawings ------------------------------------------------------------------------------------------------------------


def test_the_axis_is_logarithmic_with_the_bound_in_its_middle() -> None:
    """An exact result stands at the left end, the bound in the middle, an infinite ratio at the right end."""
    assert [charts.position(ratio) for ratio in (0.0, 1e-99, 0.01, 1.0, 100.0, 1e99, math.inf)] == [0, 0, 25, 50, 75, 100, 100]


def test_the_strip_tells_wrong_from_inherited() -> None:
    """A layer that fails on its own is marked as wrong, one that fails end to end alone as inheriting, each with a sign."""
    checks = [
        Check(id="conv.exact[conv1]", layer="conv1", status="passed", fact="", error=0.0, allowed=0.0, ratio=0.0),
        Check(id="pool.probe[pool1]", layer="pool1", status="passed", fact="", error=0.5, allowed=1.0, ratio=0.5),
        Check(id="lrn.probe[norm1]", layer="norm1", status="failed", fact="", error=3.0, allowed=1.0, ratio=3.0),
        Check(id="dropout.end_to_end[drop1]", layer="drop1", status="failed", fact="", error=3.0, allowed=1.0, ratio=3.0),
        Check(id="dropout.kept[drop1]", layer="drop1", status="passed", fact="", error=3.0, allowed=4.0, ratio=0.75),
        Check(id="conv.unseen[conv2]", layer="conv2", status="not checkable", fact=""),
        Check(id="conv.shape[conv3]", layer="conv3", status="failed", fact=""),
        Check(id="network.order", layer=None, status="passed", fact=""),
    ]
    report = Report(candidate="a port", architecture="tf1_graph", checks=tuple(checks))
    found = {cell.layer: (cell.shade, cell.sign, cell.words) for cell in charts.strip(report)}
    assert found == {
        "conv1": ("exact", "✓", "exact"),
        "pool1": ("near", "✓", "0.5"),
        "norm1": ("failed", "✕", "3"),
        "drop1": ("inherited", "↳", "3"),
        "conv2": ("not-checkable", "?", ""),
        "conv3": ("failed", "✕", ""),
    }


def test_the_histogram_counts_every_element() -> None:
    """Exact elements are in the first bar, infinite ones in the last; what is exactly at the bound is not beyond it."""
    expected = np.zeros((1, 7))
    received = np.array([[0.0, 0.5, 1.0, 1.0001, 50.0, math.nan, 1.0]])
    allowed = np.array([[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]])
    bars = charts.histogram(Evidence(x=expected, params={}, expected=expected, received=received, allowed=allowed))
    assert sum(bar.count for bar in bars) == 7
    assert (bars[0].count, bars[-1].count) == (1, 2)
    assert sum(bar.count for bar in bars if bar.beyond) == 4
    assert [bar.beyond for bar in bars].index(True) == len(bars) // 2


def pixels(uri: str) -> Any:
    """Return the PNG's pixels (rows, columns, channels)."""
    from matplotlib.image import imread

    return imread(io.BytesIO(base64.b64decode(uri.partition(",")[2])), format="png")


def test_pictures_show_the_channel_of_the_worst_error() -> None:
    """The maps are of the image and channel of the worst element, a pixel for each element, NaN in its own colour."""
    pytest.importorskip("matplotlib", reason="pictures need Matplotlib")
    evidence = evidence_for(NORM1, (5, 7, 11), images=3)
    evidence = dataclasses.replace(evidence, received=np.round(evidence.expected), expected=np.round(evidence.expected))
    evidence.received[1, 2, 3, 4] += 100
    words, maps = pictures.pictures(evidence)
    assert words == "image 1, channel 4 of 11; worst at row 2, column 3"
    shapes = [pixels(picture.image).shape for picture in maps]
    assert shapes == [(5, 7, 4)] * 3
    assert (maps[0].low, maps[0].high) == (maps[1].low, maps[1].high)
    assert maps[2].low == -maps[2].high == -100
    difference = pixels(maps[2].image)
    assert len({tuple(pixel) for pixel in difference.reshape(-1, 4)}) == 2, "one pixel differs, all others are the same"
    evidence.received[1, 2, 3, 4] = math.nan
    received = pixels(pictures.pictures(evidence)[1][1].image)
    assert tuple(received[2, 3, :3]) == pictures.NO_NUMBER


@pytest.mark.parametrize(("size", "columns"), [(1, 1), (10, 5), (1024, 32), (4096, 64), (7, 7), (256, 16)])
def test_vectors_are_laid_out_in_a_rectangle(size: int, columns: int) -> None:
    """A vector's picture has every element once."""
    pytest.importorskip("matplotlib", reason="pictures need Matplotlib")
    x = np.arange(2.0 * size).reshape(2, size)
    _, maps = pictures.pictures(Evidence(x=x, params={}, expected=x, received=x + 1, allowed=np.ones_like(x)))
    assert maps[0].columns == columns
    assert maps[0].rows * columns == size


def test_equal_and_infinite_values_are_drawn() -> None:
    """A constant map, and one without a single number, are drawn without a warning."""
    pytest.importorskip("matplotlib", reason="pictures need Matplotlib")
    for value in (0.0, 3.0, math.inf, math.nan, 1e308, -1e308):
        x = np.ones((1, 4, 4, 2))
        to_html([diagnosed(Evidence(x=x, params={}, expected=x, received=np.full_like(x, value), allowed=np.ones_like(x)))])


def test_without_matplotlib_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Matplotlib is missing, the page is made without pictures, and tells how to have them."""
    monkeypatch.setattr(pictures, "available", lambda: False)
    page = Page(to_html([diagnosed()]))
    assert page.of("img") == []
    assert "pip install 'alexnet-ref[html]'" in page.text
    assert "alexnet-ref[html]" not in Page(to_html([made(GOOD, BAD)])).text


def test_shapes_that_differ_are_no_picture() -> None:
    """A layer whose output has another shape is shown without drawings."""
    evidence = evidence_for(NORM1, (3, 5, 7))
    page = Page(to_html([diagnosed(dataclasses.replace(evidence, received=evidence.received[..., :2]))]))
    assert page.of("img") == []
    assert page.of("a") == []


def test_the_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """The page replaces an old one whole; where it cannot be written, that is said in a line."""
    write_html(tmp_path / "report.html", [diagnosed()])
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_html(tmp_path / "missing" / "report.html", [diagnosed()])


def test_both_documents_fit_one_page() -> None:
    """Several reports stand one below the other, and the title tells the gravest verdict."""
    other = dataclasses.replace(made(GOOD), architecture="keras_sequential")
    text = to_html([other, made(BAD)])
    assert "<title>does not conform: keras_sequential, tf1_graph</title>" in text
    assert Page(text).text.index("keras_sequential conforms") < Page(text).text.index("tf1_graph does not conform")
    assert reference.ARCHITECTURES.keys() >= {"keras_sequential", "tf1_graph"}
