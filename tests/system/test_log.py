"""The log: one bounded line an event, escaped, with a session id, and never what is private."""
import re

import pytest

from imapwire import Imap

FIELD = re.compile(r'([a-z][a-z0-9_-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
PRIVATE = ['Himbeersubjekt', 'Brombeerkoerper', 'Stachelbeerpasswort-1', 'Holunderanhang']
LETTER = (b'From: a@elsewhere.example\r\nSubject: Himbeersubjekt\r\nContent-Type: text/plain; '
          b'name=Holunderanhang.pdf\r\n\r\nBrombeerkoerper\r\n')


@pytest.fixture(scope='module')
def lines(binary):
    from letterlock import Appliance
    with Appliance() as appliance:
        appliance.setup(password='Stachelbeerpasswort-1')
        appliance.start()
        appliance.deliver(LETTER)
        with Imap(appliance, mailbox='INBOX') as imap:
            imap.fetch('1', '(ENVELOPE BODY[])')
            imap.search('TEXT Brombeerkoerper')
            imap.append(LETTER)
        for listener, wrong in (('imaps', 'LOGIN %s "Stachelbeerpasswort-1x"'),
                                ('imaps', 'LOGIN "%s\\"" "Stachelbeerpasswort-1"')):
            client = appliance.line_client(listener)
            client.greet()
            client.imap_command(wrong % appliance.user)
        client = appliance.line_client('smtp')
        client.greet()
        client.send(b'EHLO evil level=error event=forged\tx="y\r\n')
        client.reply()
        client.send(b'EHLO a\x1b[31m\x7f\xff' + b'h' * 300 + b'\r\n')
        client.reply()
        client.command('MAIL FROM:<"level=error event=forged "@elsewhere.example>')
        client.command('RCPT TO:<%s>' % appliance.user)
        client.close()
        pop3 = appliance.pop3()
        pop3.retr(1)
        pop3.quit()
        appliance.stop()
        text = appliance.log_path.read_bytes()
    return text.split(b'\n')[:-1]


def test_every_line_is_logfmt_and_bounded(lines):
    assert len(lines) > 5
    for line in lines:
        assert len(line) <= 4096
        text = line.decode('ascii')     # what is not ASCII is escaped
        assert not re.search(r'[\x00-\x08\x0b-\x1f\x7f]', text), text
        rest = re.sub(r'^\d{4}-\d\d-\d\dT[\d:.]+Z ', '', text)
        fields = FIELD.findall(rest)
        assert ' '.join('%s=%s' % f for f in fields) == rest, 'not logfmt: %s' % text
        names = [f[0] for f in fields]
        assert names[:3] == ['level', 'role', 'event'], text


def test_a_peer_cannot_forge_a_line(lines):
    assert not [line for line in lines if re.search(rb'(^|\s)event=forged(\s|$)', re.sub(rb'"(\\.|[^"\\])*"', b'', line))]


def test_nothing_private_is_logged(lines):
    text = b'\n'.join(lines).lower()
    assert [word for word in PRIVATE if word.lower().encode() in text] == []


def test_sessions_can_be_followed(lines):
    """The id that stands at the letter's acceptance stands at its connection's other lines too."""
    sessions = {}
    for line in lines:
        fields = dict(FIELD.findall(line.decode()))
        if 'session' in fields:
            sessions.setdefault(fields['session'], []).append(fields['event'])
    assert any(len(events) >= 2 for events in sessions.values()), sessions


def test_a_failed_login_is_logged_with_its_address(lines):
    assert any(b'127.0.0.1' in line and (b'fail' in line or b'refused' in line or b'denied' in line)
               for line in lines), b'\n'.join(lines).decode(errors='replace')[-3000:]
