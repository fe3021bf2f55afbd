"""The page on causes names every cause as it names itself, with its source, and no other."""

import re

from gradgate.diagnosis.causes import ALL


def test_every_cause_is_documented_as_it_is(request):
    page = (request.config.rootpath / "docs/causes.md").read_text()
    rows = re.findall(r"^\| \*\*(.+?)\*\* `(.+?)` \| .+? \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(known.title, known.id, known.source) for known in in_stages()]


def in_stages():
    order = ("data", "wiring", "structure", "setting", "symptom")
    return sorted(ALL, key=lambda known: order.index(known.stage))
