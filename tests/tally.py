#!/usr/bin/python3
"""Turns what test programs report into lines "passed|failed|skipped TAB name" for run.sh.

    tally.py tap FILE              one line a TAP line
    tally.py meson testlog.json    the TAP lines of every program; a program that died counts as failed
    tally.py junit FILE BUILD      pytest's report
"""
import json
import re
import sys
import xml.etree.ElementTree as ET

TAP = re.compile(r'^(ok|not ok)\b[ \d-]*(.*?)\s*(# SKIP.*)?$', re.I)


def tap_lines(text, prefix):
    """(verdict, name) of each TAP line; leading spaces are subtests, which count alike."""
    for line in text.splitlines():
        m = TAP.match(line.strip())
        if not m:
            continue
        verdict = 'failed' if m[1] == 'not ok' else 'skipped' if m[3] else 'passed'
        yield verdict, prefix + m[2]


def meson(path):
    with open(path, encoding='utf-8', errors='replace') as log:
        for line in log:
            test = json.loads(line)
            found = list(tap_lines(test.get('stdout') or '', 'unit: %s: ' % test['name']))
            yield from found
            ended_well = test['result'] in ('OK', 'SKIP')
            if not ended_well and not any(v == 'failed' for v, _ in found):
                yield 'failed', 'unit: %s: %s' % (test['name'], test['result'])


def junit(path, build):
    for case in ET.parse(path).getroot().iter('testcase'):
        kinds = {child.tag for child in case}
        verdict = 'failed' if kinds & {'failure', 'error'} else 'skipped' if 'skipped' in kinds else 'passed'
        yield verdict, '%s: %s: %s' % (build, case.get('classname'), case.get('name'))


def main():
    kind, path = sys.argv[1:3]
    if kind == 'tap':
        with open(path, encoding='utf-8') as f:
            results = list(tap_lines(f.read(), 'rules: '))
    elif kind == 'meson':
        results = list(meson(path))
    else:
        results = list(junit(path, sys.argv[3]))
    for verdict, name in results:
        print('%s\t%s' % (verdict, name.replace('\n', ' ')))
    return 0 if results else 1


if __name__ == '__main__':
    sys.exit(main())
