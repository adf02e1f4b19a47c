"""The transcript driver itself: what it must notice, it notices."""
import socket
import threading

import pytest

import transcript
from letterlock import LineClient


class FakeAppliance:
    """Answers every connection with the given bytes, whatever it hears."""

    def __init__(self, says):
        self.accounts = {}
        self.server = socket.create_server(('127.0.0.1', 0))
        self.ports = {'smtp': self.server.getsockname()[1]}
        self.heard = b''
        self.says = says
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.server.accept()
        with connection:
            connection.sendall(self.says)
            connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(1000):
                self.heard += more

    def line_client(self, listener):
        return LineClient(self, listener)


def play(tmp_path, text, says):
    file = tmp_path / 'file.txt'
    file.write_text(text)
    appliance = FakeAppliance(says)
    transcript.Transcript(file).run(appliance)
    appliance.thread.join(5)
    return appliance.heard


def test_matching_lines_pass_and_captures_are_sent_back(tmp_path):
    heard = play(tmp_path, '# A name.\nS: 220 {host} {*}\nS~ 25\\d (?P<word>\\w+)\nS* .*end\nC: GO {host} {word} '
                 '{repeat:x:3} {12}\n@raw "a\\x00\\r\\n"\nS: {host} again\n@closed\n',
                 b'220 mx ESMTP here\r\n250 well\r\none\r\ntwo end\r\nmx again\r\n')
    assert heard == b'GO mx well xxx {12}\r\na\x00\r\n'


@pytest.mark.parametrize('text,says', [
    ('S: 220 ready', b'220 ready or not\r\n'),
    ('S: 220 a.b', b'220 aXb\r\n'),
    ('S~ 25\\d', b'2500\r\n'),
    ('S* .*end', b'one\r\ntwo\r\n'),
    ('S: a {x}\nS: b {x}', b'a 1\r\nb 2\r\n'),
    ('S: a {x} {x}', b'a 1 2\r\n'),
    ('@closed', b'more\r\n'),
    ('S: only', b'only\n'),
    ('S: x {5}', b'x 5\r\n'),
    ('nonsense', b''),
    ('@nonsense', b''),
])
def test_what_differs_fails(tmp_path, text, says):
    with pytest.raises(transcript.TranscriptFailed):
        play(tmp_path, '# A name.\n' + text + '\n', says)


def test_a_name_is_the_first_sentence(tmp_path):
    file = tmp_path / 'file.txt'
    file.write_text('# A relay on 25.1\n# is refused. And more.\nS: x\n')
    assert transcript.title_of(file) == 'A relay on 25.1 is refused'
