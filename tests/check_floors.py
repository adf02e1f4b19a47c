#!/usr/bin/python3
"""The rules of the house, checked on the source text and reported as TAP.

Floors (who may include whom), walls (which folder may know which library), banned functions, SQL only
in storage/, a comment at the head of every file, no line of 600 passed without a warning."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {
    'base': set(),
    'message': {'base'},
    'net': {'base'},
    'storage': {'base', 'message', 'net'},
    'smtp': {'base', 'message', 'net', 'storage'},
    'retrieval': {'base', 'message', 'net', 'storage'},
    'admin': {'base', 'message', 'net', 'storage', 'smtp', 'retrieval'},
}
# Within retrieval/: the door carries bytes of both protocols but knows neither; imap and pop3 do not
# know each other.
RETRIEVAL_SIBLINGS = {'imap': {'pop3'}, 'pop3': {'imap'}}
# Header pattern -> folders that may include it.
WALLS = [
    (r'event2/.*|event\.h', {'net'}),
    (r'gnutls/(gnutls|dtls|socket|x509|abstract|urls|ocsp)\.h', {'net'}),
    (r'gnutls/crypto\.h', {'base', 'net', 'storage'}),
    (r'gnutls/.*', {'net'}),
    (r'unbound(-event)?\.h', {'net'}),
    (r'sqlite3\.h', {'storage'}),
    (r'zstd\.h|zdict\.h', {'storage'}),
    (r'zlib\.h', {'net'}),
    (r'sodium\.h|sodium/.*', {'base', 'storage'}),
    (r'idn2\.h|uni(conv|str|norm|case|ctype|types|gbrk|name|wbrk|width)\.h', {'base', 'message'}),
    (r'seccomp\.h|linux/(landlock|seccomp|filter)\.h', {'base'}),
    (r'iconv\.h', {'message'}),
    (r'pthread\.h|threads\.h', set()),
]
BANNED = ['strcpy', 'strcat', 'strncat', 'sprintf', 'vsprintf', 'strtok', 'atoi', 'atol', 'atof', 'alloca',
          'gets', 'mktemp', 'tmpnam', 'system', 'popen', 'rand', 'srand', 'setjmp', 'longjmp']
SQL = re.compile(r'\b(SELECT\s.+\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|'
                 r'CREATE\s+(TABLE|INDEX)|PRAGMA\s+\w+|BEGIN\s+IMMEDIATE|DROP\s+TABLE)')
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
LINES_MAX = 600


def sources(folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob('*.[ch]')):
            yield path.relative_to(ROOT), path.read_text(encoding='utf-8', errors='replace')


def without(text, comments=False, strings=False):
    """The text with comments or strings blanked, line numbers kept."""
    def blank(m):
        token = m[0]
        drop = comments if token[0] == '/' else strings
        return re.sub(r'[^\n]', ' ', token) if drop else token
    return TOKEN.sub(blank, text)


def line_of(text, position):
    return text.count('\n', 0, position) + 1


def check_floors():
    for path, text in sources(FLOORS):
        floor = path.parts[0]
        for m in INCLUDE.finditer(without(text, comments=True)):
            if m[1] != '"':
                continue
            parts = m[2].split('/')
            where = '%s:%d includes %s' % (path, line_of(text, m.start()), m[2])
            if parts[0] not in FLOORS:
                yield where + ', which is not written from the root'
            elif parts[0] != floor and parts[0] not in FLOORS[floor]:
                yield where + ', a floor it may not know'
            elif floor == 'retrieval' and parts[1] in RETRIEVAL_SIBLINGS.get(path.parts[1], ()):
                yield where + ', a sibling'


def check_walls():
    for path, text in sources(FLOORS):
        for m in INCLUDE.finditer(without(text, comments=True)):
            for pattern, allowed in WALLS:
                if m[1] == '<' and re.fullmatch(pattern, m[2]):
                    if path.parts[0] not in allowed:
                        yield '%s:%d includes <%s>' % (path, line_of(text, m.start()), m[2])
                    break


def check_banned():
    call = re.compile(r'(?<![\w.>])(%s)\s*\(' % '|'.join(BANNED))
    for path, text in sources(FLOORS):
        if path.as_posix() == 'base/banned.h':
            continue
        for m in call.finditer(without(text, comments=True, strings=True)):
            yield '%s:%d calls %s' % (path, line_of(text, m.start()), m[1])


def check_sql():
    for path, text in sources(FLOORS):
        if path.parts[0] == 'storage':
            continue
        for m in TOKEN.finditer(text):
            if m[0][0] == '"' and SQL.search(m[0]):
                yield '%s:%d holds SQL' % (path, line_of(text, m.start()))


def check_sql_is_never_formatted():
    formatted = re.compile(r'(buf_printf|snprintf|sqlite3_v?m?s?n?printf)\s*\(')
    for path, text in sources(['storage']):
        bare = without(text, comments=True)
        for m in formatted.finditer(bare):
            end = bare.find(';', m.end())
            if SQL.search(bare[m.end():end]):
                yield '%s:%d formats SQL' % (path, line_of(text, m.start()))


def check_heads():
    for path, text in sources(list(FLOORS) + ['tests']):
        if not text.startswith('/*'):
            yield '%s does not begin with what it is for' % path


def check_nothing_is_left_to_do():
    for path, text in sources(FLOORS):
        for m in re.finditer(r'\b(TODO|FIXME|XXX|HACK)\b', text):
            yield '%s:%d says %s' % (path, line_of(text, m.start()), m[1])


def check_readmes():
    for folder in FLOORS:
        if any((ROOT / folder).glob('*.c')) and not (ROOT / folder / 'README.md').exists():
            yield '%s/README.md is missing' % folder


RULES = [
    ('floors include only what lies below them', check_floors),
    ('libraries stay behind their walls', check_walls),
    ('no banned function is called', check_banned),
    ('SQL stands in storage/ alone', check_sql),
    ('SQL is bound, never formatted', check_sql_is_never_formatted),
    ('every file begins with what it is for', check_heads),
    ('nothing is left to do', check_nothing_is_left_to_do),
    ('every floor has a README', check_readmes),
]


def main():
    failed = False
    print('1..%d' % len(RULES))
    for number, (name, check) in enumerate(RULES, 1):
        breaches = list(check())
        print('%s %d - %s' % ('not ok' if breaches else 'ok', number, name))
        for breach in breaches:
            print('#   ' + breach)
        failed |= bool(breaches)
    for path, text in sources(list(FLOORS) + ['tests']):
        if text.count('\n') > LINES_MAX:
            print('# warning: %s has %d lines' % (path, text.count('\n')))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
