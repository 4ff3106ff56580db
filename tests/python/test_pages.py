"""The pages of kiln.compare and f.explain(): self-contained, every figure with a unit, and, in a browser, no overflow and no error."""

import contextlib
import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

import kiln as kn
from kiln.comparing.rows import Comparison, Row

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
UNIT = r"(s|ms|µs|ns|B|kB|MB|GB|%|×|operators?|kernels?|library)"


def block(x, w):
    """Several kernels, a library call, and an early end."""
    y = kn.relu(x @ w)
    if kn.sum(y).item() > 0:
        y = y * 2
    e = kn.exp(y - kn.max(y, axis=-1, keepdims=True))
    return (e / kn.sum(e, axis=-1, keepdims=True)).T + 1


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    result = kn.compare(block, kn.ones((64, 128)), kn.ones((128, 256)), seconds=0.01, repeat=5)
    result.function = "a_name_as_long_as_names_of_functions_ever_become_in_practice_<&>"
    result.rows += [
        Row(
            "torch", "torch", "2.0", first_call_ms=1e4, median_ms=0.5, quartile1_ms=0.4, quartile3_ms=0.9, samples=9, peak_resident_bytes=0
        ),
        Row("torch", "torch.compile", "2.0", None, 2e4, 0.3, 0.2, 0.4, 9, bits_equal_to_eager=False, differing_percent=0.004),
        Row("jax", "jax.jit", error="RuntimeError: " + "/a/path/that/is/long" * 20 + " <script>alert(1)</script>"),
    ]
    return result


@pytest.fixture(scope="module")
def pages(comparison, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    comparison.to_html(folder / "compare.html")
    jitted = kn.jit(block)
    jitted(kn.ones((64, 128)), kn.ones((128, 256)))
    jitted.explain().to_html(folder / "explain.html")
    explained_replays().to_html(folder / "replays.html")
    return [folder / "compare.html", folder / "explain.html", folder / "replays.html"]


HOSTILE = "<script>alert('1')</script>" * 3


class Hostile:
    """Its name, attributes and values would break out of a page that believed them."""

    def __init__(self):
        setattr(self, HOSTILE, 1.0)
        self.label = HOSTILE
        self.scale = 2.0

    def __call__(self, x, name="a"):
        y = x * self.scale + getattr(self, HOSTILE)
        return y + len(name) if self.label == HOSTILE else y


def explained_replays():
    """Replays, recordings, changes and a reason to run in Python, of a function with a hostile name."""
    Hostile.__qualname__ = f"Hostile{HOSTILE}"
    hostile = Hostile()
    f = kn.jit(hostile)
    x = kn.ones((4,))
    for _ in range(4):
        f(x)
    hostile.scale = 3.0
    f(x)
    for name in ("a", HOSTILE, HOSTILE, "b"):
        f(x, name)
    with contextlib.suppress(TypeError):
        f(x, Unsized())
    return f.explain()


class Unsized:
    """Has no len()."""


class Reader(HTMLParser):
    """Tags with their attributes, and the text of each of some elements."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.figures = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "rect", "path"):
            self.open.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in ("rect", "path"):
            assert self.open.pop()[0] == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        tag, attributes = self.open[-1] if self.open else ("", {})
        if tag == "b" or "data-label" in attributes or attributes.get("class") == "figure":
            self.figures.append(data)


def test_pages_are_well_formed_and_need_nothing_else(pages):
    for page in pages:
        text = page.read_text()
        reader = Reader(text)
        assert reader.open == []
        assert not {"script", "iframe", "img", "object"} & {tag for tag, _ in reader.tags}
        for tag, attributes in reader.tags:
            for name, value in attributes.items():
                assert not name.startswith("on") and (name not in ("href", "src") or value == "data:,"), (tag, name, value)
        assert not re.search(r"https?:|url\(|@import", text)


def test_every_figure_has_a_unit(pages):
    figures = Reader(pages[0].read_text()).figures
    with_digits = [figure for figure in figures if re.search(r"\d", figure)]
    assert len(with_digits) > 40
    for figure in with_digits:
        for part in re.split(r" → | \+ ", figure):
            assert re.search(rf"\d ?{UNIT}$", part), figure


def test_what_the_page_tells(comparison, pages):
    text = pages[0].read_text()
    for row in comparison.rows:
        assert row.label in text
    assert "&lt;script&gt;alert(1)" in text and "<script" not in text and "practice_&lt;&amp;&gt;" in text
    assert text.count("What is fused, and why") == 2 and "item() needs a value" in text
    assert (
        "operators in one kernel over (64, 256)" in text and "matmul" in text and "reduce max" in text and "differ in under 0.01 %" in text
    )
    assert "item() needs a value" in pages[1].read_text()


def test_a_page_without_anything_measured():
    from kiln.comparing.page import comparison_page

    row = Row("kiln", "eager", error="nothing runs")
    Reader(comparison_page(Comparison("f", [], "a processor", 1, "2020-01-01", [row])))


# A browser's own measure: how wide the document is, and what of it reaches beyond the window without a scroll bar of its own.
PROBE = """<script>
addEventListener("load", () => {
  document.querySelectorAll("details").forEach(d => d.open = true);
  const width = document.documentElement.clientWidth;
  const wide = [...document.querySelectorAll("body *")].filter(e => !e.closest("pre") && e.getBoundingClientRect().right > width + 0.5);
  const found = {width, document: document.documentElement.scrollWidth, wide: wide.map(e => e.outerHTML.slice(0, 80))};
  parent.document.getElementById("results").append(JSON.stringify(found) + "\\n");
});
</script></body>"""


def looked_at(texts, folder):
    """What the probe finds for each text at 1280 and at 390 pixels, in frames so wide, and what the browser logged."""
    frames = [
        f'<iframe width="{width}" height="900" style="border: 0" srcdoc="{html.escape(text.replace("</body>", PROBE))}"></iframe>'
        for text in texts
        for width in (1280, 390)
    ]
    (folder / "frames.html").write_text(f'<!doctype html><pre id="results"></pre>{"".join(frames)}')
    command = [
        BROWSER,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={folder}/profile",
        "--enable-logging=stderr",
    ]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1400,900", "--dump-dom", (folder / "frames.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = html.unescape(re.search(r'<pre id="results">(.*?)</pre>', done.stdout, re.S)[1])
    return [json.loads(line) for line in found.splitlines()], [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(BROWSER is None, reason="no chromium; the tests above hold the page's text")
def test_pages_in_a_browser(pages, tmp_path):
    results, messages = looked_at([page.read_text() for page in pages], tmp_path)
    assert sorted(result["width"] for result in results) == [390] * len(pages) + [1280] * len(pages)
    for result in results:
        assert result["document"] == result["width"] and result["wide"] == []
    assert messages == []


@pytest.mark.skipif(BROWSER is None, reason="no chromium")
def test_the_browser_test_sees_what_is_wrong(tmp_path):
    page = '<!doctype html><body style="margin: 0"><p style="width: 500px">wide</p><script>console.error("of its own")</script></body>'
    results, messages = looked_at([page], tmp_path)
    narrow = min(results, key=lambda result: result["width"])
    assert narrow["document"] == 500 and narrow["wide"] == ['<p style="width: 500px">wide</p>']
    assert "of its own" in "".join(messages)


def test_the_page_tells_of_replays_recordings_checks_and_reasons(pages):
    text = pages[2].read_text()
    assert "<script" not in text and "&lt;script&gt;alert(&#x27;1&#x27;)" in text
    for part in (
        "without Python",
        "recordings",
        "things checked",
        "Recorded again",
        "how to avoid it",
        "Why Python ran",
        "What is checked",
    ):
        assert part in text, part
    for path, before, now in ((r"[^<]*scale", "2.0", "3.0"), ("the arguments", "[^<]*1 by position[^<]*", "[^<]*2 by position[^<]*")):
        assert re.search(rf"<td[^>]*>{path}</td><td[^>]*>{before}</td><td[^>]*>{now}</td><td[^>]*>[0-9.]+ (ms|µs)</td>", text), path


def test_kernels_show_the_lines_that_they_compute(pages):
    text = pages[1].read_text()
    steps = text.split('<div class="step')[1:]
    sources = [re.findall(r'title="([^"]*)">([^<]*)</span><code>([^<]*)</code>', step) for step in steps]
    told = {html.unescape(code) for step in sources for _, _, code in step}
    assert {"y = kn.relu(x @ w)", "y = y * 2", "e = kn.exp(y - kn.max(y, axis=-1, keepdims=True))"} <= told
    assert all(place.startswith("test_pages.py:") and file.endswith(place) for step in sources for file, place, _ in step)
    library = next(source for step, source in zip(steps, sources, strict=True) if "<b>library</b>" in step)
    assert [html.unescape(code) for _, _, code in library] == ["y = kn.relu(x @ w)"]
