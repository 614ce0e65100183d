"""RESULTS.md by section."""

from __future__ import annotations

from benchmarks.results import in_order, section_of, with_preface, with_section

REPORT = "# Results\n\nAs it was.\n\n## One\n\nfirst\n\n## Two\n\nsecond\n"


def test_a_new_section_goes_to_the_front_if_it_is_to_be_the_first():
    report = with_section(REPORT, "Zero", "none", first=True)
    assert report == "# Results\n\nAs it was.\n\n## Zero\n\nnone\n\n## One\n\nfirst\n\n## Two\n\nsecond\n"
    assert with_section("# Results\n", "Zero", "none", first=True) == "# Results\n\n## Zero\n\nnone\n"


def test_one_that_is_there_stays_where_it_is():
    assert with_section(REPORT, "Two", "anew", first=True) == REPORT.replace("second", "anew")


def test_a_preface_leaves_the_sections_as_they_are():
    report = with_preface(REPORT, "# Anew\n\nAs it is.")
    assert report == REPORT.replace("# Results", "# Anew").replace("was", "is")
    assert with_preface("# Results\n", "# Anew") == "# Anew\n"


def test_titles_with_signs_of_regular_expressions():
    report = with_section(REPORT, "`weir --help` (20)", "text")
    assert section_of(report, "`weir --help` (20)") == "text"
    assert with_section(report, "`weir --help` (20)", "text") == report


def test_sections_of_known_titles_come_first_in_their_order():
    report = with_section(with_section(REPORT, "Three", "third"), "Four", "fourth\n\n### Not a section")
    found = in_order(report, ["Four", "Nine", "Two"])
    assert [line[3:] for line in found.splitlines() if line.startswith("## ")] == ["Four", "Two", "One", "Three"]
    assert section_of(found, "Four") == "fourth\n\n### Not a section"
    assert found.startswith("# Results\n\nAs it was.\n\n## Four\n")
    assert in_order(found, ["Four", "Nine", "Two"]) == found
    assert in_order(REPORT, []) == REPORT
