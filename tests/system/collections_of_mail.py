"""The letters of the public collections in the data folder, with LF turned into CRLF."""
import functools
import re
import tarfile


def crlf(raw):
    """Every line end is CRLF, and the last line has one. Bare CR stays."""
    text = raw.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n')
    return text if text.endswith(b'\r\n') else text + b'\r\n'


def reason_to_refuse(letter):
    """Why SMTP must refuse it, or None. RFC 5321 section 2.3.8 and RFC 5322 section 2.2."""
    if b'\r' in letter.replace(b'\r\n', b''):
        return 'a bare CR'
    if b'\0' in letter:
        return 'a NUL'
    return None


def _archive(data):
    for path in sorted(data.glob('spamassassin-public-corpus/*.tar.*')):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and not member.name.endswith('/cmds'):
                    yield member.name, archive.extractfile(member).read()


def _files(data, folder, pattern, keep=lambda name: True):
    for path in sorted((data / folder).glob(pattern)):
        if path.is_file() and keep(path.name):
            yield str(path.relative_to(data)), path.read_bytes()


COLLECTIONS = {
    'spamassassin': _archive,
    'notmuch': lambda d: _files(d, 'mail-notmuch-corpora/test', '**/*', lambda n: n != 'README'),
    'mime4j': lambda d: list(_files(d, 'mime-mime4j', '**/*.msg')) + list(
        _files(d, 'mime-mime4j', '**/mbox.rlug-*')),
    'cpython': lambda d: _files(d, 'mime-cpython', 'msg_*.txt'),
    'mailparser': lambda d: _files(d, 'mime-mailparser', '**/*.eml'),
    'wildduck': lambda d: _files(d, 'mime-wildduck-imap', '**/*.eml'),
}
# What the collections' own notes count, so that an empty glob cannot pass for a success.
LEAST = {'spamassassin': 6000, 'notmuch': 310, 'mime4j': 84, 'cpython': 47, 'mailparser': 8, 'wildduck': 10}


@functools.lru_cache(maxsize=None)
def letters(data, collection):
    """[(name, letter)] of one collection."""
    found = [(name, crlf(raw)) for name, raw in COLLECTIONS[collection](data)]
    assert len(found) >= LEAST[collection], 'only %d letters in %s' % (len(found), collection)
    return found


TRACE = re.compile(rb'(?:(?:Return-Path|Delivered-To|Received|Received-SPF|Authentication-Results|X-Original-To):'
                   rb'[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+', re.I)


def check_stored(stored, sent):
    """What came out is a trace header and then, byte for byte, what went in."""
    assert stored.endswith(sent), 'not the same bytes: %r ... for %r ...' % (stored[:600], sent[:300])
    trace = stored[:len(stored) - len(sent)]
    assert TRACE.fullmatch(trace), 'this is no trace header: %r' % trace
    assert trace.lower().startswith(b'return-path:') or trace.lower().startswith(b'delivered-to:'), trace
    assert b'\r\nReceived: ' in b'\r\n' + trace, trace
