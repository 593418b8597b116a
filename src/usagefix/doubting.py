"""The rule by which the files that are run by hand doubt a declared counter: as :func:`usagefix.trust.why_declared`.

The bundled SQL has the rule for presets. For another counter the script first doubts the declaration, then a fall that
is large in all and for each counter that falls.
"""

from __future__ import annotations

from usagefix.counter import Counter

_SHOWN = "        count(*) FILTER (WHERE usage_count > 0 AND actual = 0) AS no_event,\n"
_RULE = """\
            CASE WHEN no_event > 0 AND no_event >= LEAST(3, used) AND no_event * 10 >= used
                OR fall >= 10 AND fall * 5 >= displayed THEN falling ELSE 0 END,
"""
_SAID = "'would fall: too many to be sure'"
_WHY = "format('%s of %s counters would fall, their sum from %s to %s', falling, used, falls_from, falls_to)"
_COUNTERS = """\
                SELECT count(*) AS used, sum(preset.usage_count) AS shown
                FROM public.presets AS preset WHERE preset.usage_count > 0
"""
_STOPS = """\
            WHERE without_event > 0 AND without_event = used OR falls_from - falls_to >= 10 AND (
                without_event >= 3 AND without_event * 10 >= used OR (falls_from - falls_to) * 5 >= shown);
"""
ANCHORS = (_SHOWN, _RULE, _SAID, _WHY, _COUNTERS, _STOPS)
"""What is replaced: where one is missing, the rule for presets would stay."""

_DEFINED = "compared - agreeing >= 3 AND agreeing * 4 < compared"
_SUM = "falling >= 3 AND falls_to >= 0 AND {fall} * 5 >= {shown}"
_NUMBER = """{fall} >= 10 AND {fall} >= 5 * falling AND (
                {none} >= 3 AND {none} * 10 >= used OR {fall} * 5 >= {shown})"""


def doubting(counter: Counter, text: str) -> str:
    """A bundled script, not yet rendered, with the rule for this counter."""
    if counter.usual or counter.daily is not None:
        return text
    rule = _NUMBER if counter.weight is None else _SUM
    looked = rule.format(fall="fall", shown="magnitude", none="no_event")
    stops = rule.format(fall="(falls_from - falls_to)", shown="shown", none="without_event")
    said = "'%s of %s counters that are not 0 equal their events, and %s would fall, their sum from %s to %s'"
    edits = {
        _SHOWN: _SHOWN
        + "        count(*) FILTER (WHERE usage_count <> 0) AS compared, sum(abs(usage_count)) AS magnitude,\n"
        "        count(*) FILTER (WHERE usage_count <> 0 AND usage_count = actual) AS agreeing,\n"
        "        sum(actual) FILTER (WHERE usage_count > actual) AS falls_to,\n",
        _RULE: f"            CASE WHEN {_DEFINED} THEN compared - agreeing\n"
        f"                WHEN {looked} THEN falling ELSE 0 END,\n",
        _SAID: "'do not agree, or would fall: too many to be sure'",
        _WHY: f"format({said},\n                agreeing, compared, falling, falls_from, falls_to)",
        _COUNTERS: """\
                SELECT count(*) FILTER (WHERE preset.usage_count > 0) AS used, count(*) AS compared,
                    sum(abs(preset.usage_count)) AS shown, count(*) - (
                    SELECT count(*) FROM usagefix.corrections
                    WHERE run = this_run AND displayed <> 0 AND delta <> 0) AS agreeing
                FROM public.presets AS preset WHERE preset.usage_count <> 0
""",
        _STOPS: f"            WHERE {_DEFINED} OR {stops};\n",
    }
    for usual, here in edits.items():
        text = text.replace(usual, here)
    return text
