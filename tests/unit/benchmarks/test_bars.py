"""Pictures: whole XML, with every figure in it, and nothing outside the frame."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bars import COLOURS, WIDTH, Bar, draw_bars
from benchmarks.figures import Spread
from benchmarks.reload.picture import draw
from benchmarks.svg import step

SVG = "{http://www.w3.org/2000/svg}"
PRINTABLE = st.text(st.characters(blacklist_categories=("Cc", "Cs"), blacklist_characters="\ufffe\uffff"), max_size=20)
SPREADS = st.lists(st.floats(min_value=0, max_value=1e7), min_size=1, max_size=5).map(Spread.of)
BARS = st.lists(st.builds(Bar, PRINTABLE, SPREADS, st.sampled_from(sorted(COLOURS))), min_size=1, max_size=6)


@given(PRINTABLE, BARS)
def test_it_is_whole_xml_whatever_the_labels_are(title, bars):
    picture = ET.fromstring(draw_bars(title, bars, unit="<per> & second"))
    assert picture.tag == f"{SVG}svg"
    assert picture.get("aria-label") == title
    drawn = picture.findall(f"{SVG}rect")[1:]
    assert len(drawn) == len(bars)
    texts = [each.text or "" for each in picture.findall(f"{SVG}text")]
    for bar in bars:
        assert f"{bar.label}: {bar.spread.median:,.0f}" in texts


@given(BARS)
def test_bars_are_as_long_as_their_medians_and_stay_in_the_frame(bars):
    picture = ET.fromstring(draw_bars("title", bars, unit="s"))
    widths = [float(each.get("width")) for each in picture.findall(f"{SVG}rect")[1:]]
    longest = max(range(len(bars)), key=lambda index: bars[index].spread.median)
    assert widths[longest] == max(widths)
    assert all(0 <= width <= WIDTH for width in widths)
    most = max(bar.spread.most for bar in bars)
    for bar, width in zip(bars, widths, strict=True):
        if bar.spread.median == most and most > 0:
            assert width > WIDTH / 3  # the scale ends soon after the largest of them


def test_colours_tell_who_is_who():
    bars = [Bar(part, Spread(1, 1, 1), part) for part in COLOURS]
    picture = ET.fromstring(draw_bars("title", bars, unit="s"))
    assert [each.get("fill") for each in picture.findall(f"{SVG}rect")[1:]] == list(COLOURS.values())


@given(st.floats(min_value=1e-9, max_value=1e9))
def test_marks_are_round_numbers_that_are_neither_too_many_nor_too_few(most):
    mark = step(most)
    assert 1.5 <= most / mark <= 4.1
    first = float(f"{mark:e}".partition("e")[0])
    assert first in (1.0, 2.0, 5.0)


def test_nothing_to_show_has_a_scale_all_the_same():
    assert step(0) == 1.0
    ET.fromstring(draw_bars("title", [Bar("none", Spread(0, 0, 0), "weir")], unit="s"))


def test_a_line_is_whole_xml_too():
    picture = ET.fromstring(draw("<Memory> & more", [(0, 60), (500, 70), (1000, 75)], across="a", unit="MiB"))
    assert picture.get("aria-label") == "<Memory> & more"
    [line] = picture.findall(f"{SVG}polyline")
    assert len(line.get("points").split()) == 3
