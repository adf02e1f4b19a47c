"""COMPRESS=DEFLATE (RFC 4978): both ways, small and large, in pieces; a bomb costs its sender only."""
import zlib

import pytest

from imapwire import Imap
from letterlock import wait_until

LETTER = b'Subject: much of the same\r\n\r\n' + b'All work and no play makes a dull letter.\r\n' * 20000


class Deflated:
    """The socket of a LineClient, with DEFLATE on top."""

    def __init__(self, wire, piece=None):
        self.wire = wire
        self.piece = piece
        self.out = zlib.compressobj(wbits=-15)
        self.into = zlib.decompressobj(wbits=-15)
        self.held = b''
        self.received = 0

    def send(self, data):
        packed = self.out.compress(data) + self.out.flush(zlib.Z_SYNC_FLUSH)
        step = self.piece or len(packed)
        for at in range(0, len(packed), step):
            self.wire.sock.sendall(packed[at:at + step])

    def read_until(self, mark):
        while mark not in self.held:
            data = self.wire.sock.recv(65536)
            assert data, 'closed'
            self.received += len(data)
            self.held += self.into.decompress(data)
        at = self.held.index(mark) + len(mark)
        answer, self.held = self.held[:at], self.held[at:]
        return answer


@pytest.fixture(params=[None, 1], ids=['whole', 'byte by byte'])
def deflated(request, shared, account):
    user, _ = account
    with Imap(shared, user, mailbox='INBOX') as imap:
        imap.ok('COMPRESS DEFLATE')
        yield Deflated(imap.wire, request.param)


def test_commands_and_large_answers(shared, account, deflated):
    user, _ = account
    shared.deliver(LETTER, user)
    deflated.send(b'a1 NOOP\r\n')
    deflated.read_until(b'a1 OK')
    deflated.read_until(b'\r\n')
    deflated.send(b'a2 UID FETCH 1 BODY.PEEK[TEXT]\r\na3 COMPRESS DEFLATE\r\na4 LOGOUT\r\n')
    answer = deflated.read_until(b'a2 OK')
    assert LETTER.partition(b'\r\n\r\n')[2] in answer
    assert deflated.received < len(answer) / 10
    assert b'a3 NO [COMPRESSIONACTIVE]' in deflated.read_until(b'a4 OK')


def test_a_bomb_is_read_no_faster_than_it_is_refused(shared, account):
    user, _ = account
    with Imap(shared, user) as imap:
        imap.ok('COMPRESS DEFLATE')
        bomb = zlib.compressobj(9, wbits=-15)
        data = b''.join(bomb.compress(b'x' * (1 << 20)) for _ in range(64)) + bomb.flush()
        try:
            imap.wire.sock.sendall(data)
        except OSError:
            pass # it was closed meanwhile
        reader = Deflated(imap.wire)
        assert b'BYE' in reader.read_until(b'\r\n')
    with Imap(shared, user) as imap:
        imap.ok('NOOP')


def test_what_is_no_deflate_ends_the_session_alone(shared, account):
    user, _ = account
    with Imap(shared, user) as other, Imap(shared, user) as imap:
        imap.ok('COMPRESS DEFLATE')
        imap.wire.sock.sendall(b'\xff\xff\xff\xff\xff\xff a1 NOOP\r\n')
        wait_until(lambda: not imap.wire.sock.recv(65536), what='the end of the connection')
        other.ok('NOOP')


def test_nothing_may_follow_before_the_answer(shared, account):
    user, _ = account
    with Imap(shared, user) as imap:
        imap.wire.send(b'a1 COMPRESS DEFLATE\r\na2 NOOP\r\n')
        assert imap.wire.read_line().startswith('a1 BAD')
        assert imap.wire.read_line().startswith('a2 OK')
        imap.wire.send(b'a3 COMPRESS LZW\r\n')
        assert imap.wire.read_line().startswith('a3 BAD')
