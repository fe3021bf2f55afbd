"""The table of signals in the docs is the catalogue."""

from pathlib import Path

from gradgate.gate.signals import ALL

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"
BEGIN, END = "<!-- signals -->\n", "<!-- /signals -->"


def table():
    rows = ["| signal | of | what it is |", "|---|---|---|"]
    for signal in ALL:
        text = signal.what.replace("|", "\\|")
        rows.append(f"| `{signal.name}` | {signal.level} | {text} |")
    return "\n".join(rows) + "\n"


def test_the_table_of_signals_is_the_catalogue(request):
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    shown, tail = rest.split(END)
    if request.config.getoption("--golden"):
        PAGE.write_text(head + BEGIN + table() + END + tail, encoding="utf-8")
        return
    assert shown == table(), "docs/policy.md is stale; run this test with --golden"
