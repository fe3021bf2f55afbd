"""The tables of the benchmark of detection, in Markdown."""

from collections.abc import Callable, Iterable, Sequence

from _outcomes import JUDGES, OURS, Outcome

_PARTS: dict[str, Callable[[Outcome], bool]] = {
    "all": lambda _: True,
    "for tuning": lambda each: each.case.is_for_tuning,
    "held out": lambda each: not each.case.is_for_tuning and "/" not in each.case.name,
    "of the explanations": lambda each: "/" in each.case.name,
}


def summary(outcomes: Sequence[Outcome]) -> str:
    """Returns recall and false alarms of all judges, and layers and causes of ours."""
    rows = [["", "part", "faults found", "false alarms", "layer right", "cause right"]]
    rows.append(["---", "---", "---:", "---:", "---:", "---:"])
    for judge in JUDGES:
        for part, belongs in _PARTS.items():
            seen = [each for each in outcomes if belongs(each) and each.alarms[judge] is not None]
            if not seen:
                continue
            faulty = [bool(each.alarms[judge]) for each in seen if each.case.fault]
            sound = [bool(each.alarms[judge]) for each in seen if not each.case.fault]
            ours = judge == OURS
            layer = _share(each.is_layer_right() for each in seen) if ours else ""
            cause = _share(each.is_cause_right() for each in seen) if ours else ""
            rows.append([judge, part, _share(faulty), _share(sound), layer, cause])
    return _table(rows)


def by_kind(outcomes: Sequence[Outcome]) -> str:
    """Returns the recall of each judge, kind by kind."""
    kinds = list(dict.fromkeys(each.case.fault.kind for each in outcomes if each.case.fault))
    rows = [["kind of fault", "trainings", *JUDGES], ["---", "---:", *("---:" for _ in JUDGES)]]
    for kind in kinds:
        ours = [each for each in outcomes if each.case.fault and each.case.fault.kind == kind]
        found = [
            _share(bool(each.alarms[judge]) for each in ours if each.alarms[judge] is not None)
            for judge in JUDGES
        ]
        rows.append([kind, str(len(ours)), *found])
    return _table(rows)


def by_rule(outcomes: Sequence[Outcome]) -> str:
    """Returns, for every rule of every judge, on how many trainings of which sort it fired."""
    rows = [["judge", "rule", "faulty", "sound"], ["---", "---", "---:", "---:"]]
    for judge in JUDGES:
        fired: dict[str, list[int]] = {}
        for each in outcomes:
            for rule in each.alarms[judge] or ():
                fired.setdefault(rule, [0, 0])[each.case.fault is None] += 1
        for rule, (faulty, sound) in sorted(fired.items(), key=lambda item: -item[1][0]):
            rows.append([judge, rule, str(faulty), str(sound)])
    return _table(rows)


def details(outcomes: Sequence[Outcome]) -> str:
    """Returns a row a training: the truth, how good it became, and what each judge says."""
    head = ["program", "seed", "fault", "held out", *JUDGES, "layer", "cause"]
    rows = [head, ["---", "---:", "---", "---:", *("---" for _ in head[4:])]]
    for each in outcomes:
        held = each.training.held
        score = "none" if held is None else f"{held:.2f}"
        mark = "*" if each.case.is_for_tuning else ""
        alarms = [", ".join(each.alarms[judge] or ("-",)) for judge in JUDGES]
        rows.append(
            [
                f"{each.case.name}{mark}",
                str(each.seed),
                each.case.fault.kind if each.case.fault else "",
                f"{score} ({each.training.usual:.2f})",
                *alarms,
                {None: "", True: "right", False: f"no: {each.layer or 'none'}"}[
                    each.is_layer_right()
                ],
                {None: "", True: "right", False: f"no: {each.cause or 'none'}"}[
                    each.is_cause_right()
                ],
            ]
        )
    return _table(rows)


def _share(answers: Iterable[bool | None]) -> str:
    given = [answer for answer in answers if answer is not None]
    if not given:
        return "-"
    return f"{sum(given)} of {len(given)} ({sum(given) / len(given):.0%})"


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
