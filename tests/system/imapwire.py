"""IMAP answers as Python values: what imaplib leaves to its user. A strict reader of RFC 3501 section 9
data: atoms, numbers, quoted strings, literals, NIL and lists. What does not fit fails the test."""
import re

LITERAL = re.compile(rb'~?\{(\d+)\}$')
ATOM_END = b' ()"\r'


class Imap:
    """A logged-in session over a LineClient."""

    def __init__(self, appliance, user=None, password=None, mailbox=None, listener='imaps'):
        self.wire = appliance.line_client(listener)
        user = user or appliance.user
        self.wire.login(user, password or appliance.accounts[user])
        self.tags = 0
        if mailbox:
            self.ok('SELECT ' + mailbox)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.wire.close()

    def close(self):
        self.wire.close()

    def read_answer(self):
        """One logical line as bytes pieces: [text, literal, text, ...]."""
        pieces = []
        while True:
            line = self.wire.read_line()
            assert line is not None, 'closed within an answer'
            line = line.encode('utf-8', 'surrogateescape')
            m = LITERAL.search(line)
            if not m:
                return pieces + [line]
            pieces += [line[:m.start()], self.wire.read_exactly(int(m[1]))]

    def command(self, text):
        """Sends; (list of untagged answers as pieces, tagged line as text)."""
        self.tags += 1
        tag = b't%d ' % self.tags
        self.wire.send(tag + text.encode() + b'\r\n')
        return self._until(tag)

    def _until(self, tag):
        untagged = []
        while True:
            pieces = self.read_answer()
            if pieces[0].startswith(tag):
                return untagged, pieces[0][len(tag):].decode()
            untagged.append(pieces)

    def ok(self, text):
        untagged, line = self.command(text)
        assert line.startswith('OK'), '%s: %s' % (text, line)
        return untagged

    def append(self, letter, mailbox='INBOX', flags=''):
        """The tagged line."""
        self.tags += 1
        tag = 't%d' % self.tags
        self.wire.send_line('%s APPEND %s %s{%d}' % (tag, mailbox, flags and '(%s) ' % flags, len(letter)))
        line = self.wire.read_line()
        while line is not None and line.startswith('* '):
            line = self.wire.read_line()
        assert line is not None, 'closed instead of a go-ahead'
        if not line.startswith('+'):
            return line[len(tag) + 1:]
        self.wire.send(letter + b'\r\n')
        return self._until(tag.encode() + b' ')[1]

    def fetch(self, numbers, items, uid=True):
        """[{item: value}], in the order in which they came; key 'seq' for the sequence number."""
        found = []
        for pieces in self.ok('%sFETCH %s %s' % ('UID ' if uid else '', numbers, items)):
            m = re.match(rb'\* (\d+) FETCH ', pieces[0], re.I)
            if not m:
                continue
            rest = [pieces[0][m.end():]] + pieces[1:]
            values, end = Reader(rest).value(), None
            message = {'seq': int(m[1])}
            message.update((values[i].upper().decode(), values[i + 1]) for i in range(0, len(values), 2))
            found.append(message)
        return found

    def search(self, criteria):
        for pieces in self.ok('UID SEARCH ' + criteria):
            if pieces[0].upper().startswith(b'* SEARCH'):
                return [int(n) for n in pieces[0].split()[2:]]
        return []


class Reader:
    """Reads values from pieces of text and literals in turn."""

    def __init__(self, pieces):
        self.pieces = pieces
        self.piece = 0
        self.at = 0

    def text(self):
        return self.pieces[self.piece]

    def value(self):
        text = self.text()
        if self.at == len(text):      # a literal stands here
            literal = self.pieces[self.piece + 1]
            self.piece, self.at = self.piece + 2, 0
            return literal
        c = text[self.at:self.at + 1]
        if c == b'(':
            return self.list()
        if c == b'"':
            return self.quoted()
        return self.atom()

    def list(self):
        values = []
        self.at += 1
        while True:
            if self.at < len(self.text()):
                c = self.text()[self.at:self.at + 1]
                if c == b')':
                    self.at += 1
                    return values
                if c == b' ':
                    self.at += 1
            values.append(self.value())

    def quoted(self):
        m = re.compile(rb'"((?:[^"\\]|\\["\\])*)"').match(self.text(), self.at)
        assert m, 'a quoted string without end: %r' % self.text()[self.at:self.at + 100]
        self.at = m.end()
        return re.sub(rb'\\(.)', rb'\1', m[1])

    def atom(self):
        # BODY[HEADER.FIELDS (TO "X")]<0> is one item name.
        m = re.compile(rb'[^ ()"\[]+(?:\[[^\]]*\](?:<\d+>)?)?|\[[^\]]*\]').match(self.text(), self.at)
        assert m, 'no value at %r' % self.text()[self.at:self.at + 100]
        self.at = m.end()
        if m[0].upper() == b'NIL':
            return None
        return int(m[0]) if m[0].isdigit() else m[0]
