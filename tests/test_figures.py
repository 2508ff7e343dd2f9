"""The pages that read along with the documents: every number, picture, link and quotation in them is true."""

from __future__ import annotations

import itertools
import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import reference
from alexnet_ref.cli import OneLineErrors
from alexnet_ref.figures import command
from alexnet_ref.figures.pages import PAGES, render
from reference.contradictions import CONTRADICTIONS
from tests import golden
from tests.test_quotes import FILES

DOCS = Path(__file__).parents[1] / "docs"
TEMPLATES = Path(command.__file__).parent / "templates"
MEASURED = json.loads((DOCS / "figures" / "measured.json").read_text(encoding="utf-8"))
NETWORK_PAGES = tuple(reference.ARCHITECTURES)
MOST_BYTES, MOST_BYTES_IN_ALL, WIDTH = 150_000, 1_500_000, 800
GROUP = OneLineErrors(commands={"figures": command.figures})  # as `alexnet-ref` holds it


def page(name: str) -> str:
    """Return the page as the repository holds it."""
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def run(*arguments: str) -> Result:
    """Return what the command does in this process."""
    return CliRunner().invoke(GROUP, ["figures", *arguments])


# ---- The pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_current(name: str) -> None:
    """Each page is what the templates, the networks and measured.json make; `alexnet-ref figures` writes it anew."""
    pytest.importorskip("jinja2", reason="jinja2 is not installed: pip install 'alexnet-ref[docs]'")
    assert render(name, MEASURED) == page(name)


def layer_rows(text: str) -> list[tuple[str, tuple[int, ...], int]]:
    """Return (name, output, parameters) of each numbered row of the page's table of layers."""
    rows = re.findall(r"^\| (\d+) \| (\w+) \| [^|]+ \| ([\d×]+) \| ([\d,]+) \|$", text, flags=re.MULTILINE)
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))
    return [(name, tuple(map(int, shape.split("×"))), int(params.replace(",", ""))) for _, name, shape, params in rows]


@pytest.mark.parametrize("name", NETWORK_PAGES)
def test_layer_rows_are_the_documents(name: str) -> None:
    """Every row of a page's table is the literal typed from the document, and no row is missing; so is the total."""
    expected = [(row.name, row.shape, row.params) for row in golden.ROWS[name]]
    assert layer_rows(page(name)) == expected
    assert f"| total | {sum(row.params for row in golden.ROWS[name]):,} |" in page(name)


def test_a_wrong_row_is_found() -> None:
    """The comparison itself: one parameter more, or another shape, is another row."""
    text = page("keras_sequential")
    for wrong in (text.replace("| 34,944 |", "| 34,945 |"), text.replace("| 56×56×96 | 34,944", "| 55×55×96 | 34,944")):
        assert layer_rows(wrong) != layer_rows(text)


def typed_numbers(template: str) -> list[str]:
    """Return the numbers of three digits, with a point or comma, or in per cent, that a template types in its own prose."""
    ours = re.sub(r"```.*?```", "", template, flags=re.DOTALL)
    ours = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|`[^`]*`", "", ours)
    ours = "\n".join(line for line in ours.splitlines() if not line.startswith("> "))
    return [found.group() for found in re.finditer(r"\d[\d.,]*\d{2,}|\d+[.,]\d+|\d+ ?%", ours)]


# The year and section of a citation; the documents' own 0.8, 0.5, 0.001 and 255, which their quotations show beside the words.
CITED = {"2012", "3.3", "0.8", "0.5", "0.001", "255", "256", "224"}


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.md")), ids=lambda path: path.stem)
def test_no_number_is_typed(path: Path) -> None:
    """The templates type no figure: what is no citation is computed."""
    assert set(typed_numbers(path.read_text(encoding="utf-8"))) <= CITED


@pytest.mark.parametrize("typed", ["9.1 %", "1,966,080", "9 % of", "148.3", "0.0027"])
def test_a_typed_number_is_found(typed: str) -> None:
    """The search itself: a figure in prose is found, one that is computed or quoted is not."""
    assert set(typed_numbers(f"leaves {typed} there")) - CITED
    assert not typed_numbers(f"> leaves {typed}\n{{{{ {typed} }}}} `{typed}`")


def pictures(text: str) -> list[tuple[str, str]]:
    """Return (alternative text, target) of every picture."""
    return re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", text)


def test_every_picture_exists_and_is_shown() -> None:
    """Each picture of a page exists, is 800 pixels wide, small, and described in words; each that exists is on a page."""
    shown = [picture for name in PAGES for picture in pictures(page(name))]
    assert sorted({DOCS / target for _, target in shown}) == sorted((DOCS / "figures").glob("*.png"))
    assert all(len(words.split()) >= 10 for words, _ in shown)
    contents = [(DOCS / target).read_bytes() for _, target in shown]
    assert max(map(len, contents)) <= MOST_BYTES
    assert sum(map(len, contents)) <= MOST_BYTES_IN_ALL
    for content in contents:
        assert content.startswith(b"\x89PNG")
        assert struct.unpack(">I", content[16:20]) == (WIDTH,)


def broken_links(text: str) -> list[str]:
    """Return the relative links to a file that is not there, or to a heading that its page has not."""
    broken = []
    for target in re.findall(r"\]\(([^)#]+(?:#[^)]+)?)\)", text):
        path, _, heading = target.partition("#")
        file = DOCS / path
        if not file.is_file() or (heading and f"### {heading}\n" not in file.read_text(encoding="utf-8")):
            broken.append(target)
    return broken


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """Every link is relative, to a file in docs/ and a heading in it."""
    assert broken_links(page(name)) == []


def test_a_broken_link_is_found() -> None:
    """The search itself."""
    text = "[a](missing.md) [b](contradictions.md#missing) [c](contradictions.md#lsize_is_radius)"
    assert broken_links(text) == ["missing.md", "contradictions.md#missing"]


def test_every_contradiction_is_listed() -> None:
    """Each contradiction stands under its document, with its quotes, its finding and what is built; and nothing else does."""
    sections = dict(re.findall(r"^## (\w+): [^\n]+\n(.*?)(?=^## |\Z)", page("contradictions"), flags=re.DOTALL | re.MULTILINE))
    for name in reference.ARCHITECTURES:
        own = [c for c in CONTRADICTIONS if c.architecture == name]
        assert re.findall(r"^### (.+)$", sections[name], flags=re.MULTILINE) == [c.id for c in own]
        for c in own:
            assert all(text in unescaped(sections[name]) for text in (c.finding, f"**What is built:** {c.decision}", *c.quotes))


def unescaped(text: str) -> str:
    """Return Markdown without the backslashes that keep it from being read as more than characters."""
    return re.sub(r"\\([\\`*_{}\[\]<>#+!|])", r"\1", text)


@pytest.mark.parametrize("name", NETWORK_PAGES)
def test_block_quotes_occur_in_the_document(name: str, documents: Path) -> None:
    """Every block quote of a network's page is in its document, character for character; there are at least ten."""
    text = (documents / FILES[name]).read_text(encoding="utf-8")
    quotes = [unescaped(line.removeprefix("> ")) for line in page(name).splitlines() if line.startswith("> ")]
    assert len(quotes) >= 10
    assert [quote for quote in quotes if quote not in text] == []


# ---- What the pages say of the numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORK_PAGES)
def test_measured_on_documented_training_digits(name: str) -> None:
    """The measured networks were trained on all of MNIST in the documented batches, and know the digit that is drawn."""
    facts = MEASURED[name]
    assert facts["run"]["documented"]
    assert np.argmax(facts["output"]) == facts["digit"]["label"]
    assert list(facts["layers"]["trained"]) == [layer.name for layer in reference.ARCHITECTURES[name].layers]


def test_unseen_weights_never_moved() -> None:
    """As the page says: 1,966,080 weights are after training what they were before, and nearly all others are not."""
    taps = MEASURED["keras_sequential"]["taps"]
    assert {name: t["unseen"] for name, t in taps.items() if t["unseen"]} == {"conv2d_3": 1_179_648, "conv2d_4": 786_432}
    assert all(t["unseen_unchanged"] == t["unseen"] for t in taps.values())
    assert all(t["seen_unchanged"] < t["seen"] for t in taps.values())
    assert all(t["unseen"] == 0 for t in MEASURED["tf1_graph"]["taps"].values())


def test_keras_sequential_s_words_hold() -> None:
    """Grey channels move together; LRN takes most of the norm, where the paper's numbers are nearly a constant (3 %)."""
    facts = MEASURED["keras_sequential"]
    assert facts["grey"]["apart"] < facts["grey"]["moved"] / 1000
    for lrn in facts["lrn"].values():
        assert lrn["trained"]["kept"] < 0.5
        assert lrn["trained"]["krizhevsky_most"] < 1.03 * 2**0.75
    assert all(lrn["pixel"]["negative"] > 0.8 for lrn in facts["lrn"].values())
    assert facts["run"]["rows"][1]["dead_activation"] > 0.4
    layers = facts["layers"]["start"]
    shrinking = [layers[name]["rms"] for name in ("conv2d_2", "conv2d_3", "conv2d_4", "dense", "dense_1")]
    assert shrinking == sorted(shrinking, reverse=True)
    assert shrinking[0] > 100 * shrinking[-1]
    trained = [layer["rms"] for layer in facts["layers"]["trained"].values()]
    assert max(trained) < 100 * min(trained)


def test_tf1_graph_s_words_hold() -> None:
    """norm1 is all but absent, norm3 the strongest; sizes fall at norm2 and norm3 alone; keeping 0.8 keeps the mean."""
    facts = MEASURED["tf1_graph"]
    assert facts["lrn"]["norm1"]["trained"]["kept"] > 0.99
    assert facts["lrn"]["norm3"]["trained"]["kept"] < 0.05
    for when in ("start", "trained"):
        rms = {name: layer["rms"] for name, layer in facts["layers"][when].items()}
        names = list(rms)
        falls = [b for a, b in itertools.pairwise(names) if rms[b] < 0.95 * rms[a]]
        assert falls == ["norm2", "norm3"]
    assert facts["lrn"]["norm1"]["trained"]["correlation"] > 0.99
    assert facts["lrn"]["norm3"]["trained"]["correlation"] < 0
    for d in facts["dropout"].values():
        assert abs(d["mean_of_means"] - d["before"]) < 0.01 * d["before"]  # 480,000 coins: far more than chance allows
        assert d["unscaled"] < 0.9 * d["before"]


# ---- The command ---------------------------------------------------------------------------------------------------------


def test_the_pages_are_written_anew_without_runs(tmp_path: Path) -> None:
    """From measured.json alone the command writes the repository's pages."""
    pytest.importorskip("jinja2", reason="jinja2 is not installed: pip install 'alexnet-ref[docs]'")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "measured.json").write_bytes((DOCS / "figures" / "measured.json").read_bytes())
    result = run("--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert all((tmp_path / f"{name}.md").read_text(encoding="utf-8") == page(name) for name in PAGES)
    assert (tmp_path / "figures" / "measured.json").read_bytes() == (DOCS / "figures" / "measured.json").read_bytes()


def test_bad_input_ends_in_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no run, or nothing measured, exits with 2 and one line, and writes nothing."""
    pytest.importorskip("jinja2", reason="jinja2 is not installed: pip install 'alexnet-ref[docs]'")
    out, empty = tmp_path / "docs", tmp_path / "empty"
    out.mkdir()
    empty.mkdir()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    for arguments, message in (
        (["--out", str(out)], "nothing is known of a trained network"),
        (["--out", str(out), "--run", str(empty)], "metrics.json"),
        (["--out", str(tmp_path / "missing")], "does not exist"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert message in result.output
        assert "Traceback" not in result.output
        assert list(out.iterdir()) == []


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without jinja2 the command exits with 2 and tells how to install it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    result = run("--out", str(tmp_path))
    assert result.exit_code == 2
    assert "pip install 'alexnet-ref[docs]'" in result.output
