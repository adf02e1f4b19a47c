"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS by app password, over SMTP, IMAP and POP3: a client of its own, which
checks the server's proof, and openssl for the exporter binding that Python cannot give."""
import base64
import hashlib
import hmac
import os
import re
import ssl
import subprocess

import pytest

from letterlock import HOST, wait_until

LISTENERS = ['submissions', 'submission', 'imaps', 'imap', 'pop3s', 'pop3']


def b64(data):
    return base64.b64encode(data).decode()


def digest(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


class Scram:
    def __init__(self, user, password, header='n,,', binding=b'', nonce=None):
        self.user = user.replace('=', '=3D').replace(',', '=2C')
        self.password, self.header, self.binding = password, header, binding
        self.nonce = nonce or b64(os.urandom(12))

    def first(self):
        self.bare = 'n=%s,r=%s' % (self.user, self.nonce)
        return self.header + self.bare

    def final(self, server_first):
        self.server_first = server_first
        fields = dict(part.split('=', 1) for part in server_first.split(','))
        assert fields['r'].startswith(self.nonce) and len(fields['r']) >= len(self.nonce) + 18
        salted = hashlib.pbkdf2_hmac('sha256', self.password.encode(), base64.b64decode(fields['s']),
                                     int(fields['i']))
        client_key = digest(salted, b'Client Key')
        without_proof = 'c=%s,r=%s' % (b64(self.header.encode() + self.binding), fields['r'])
        message = ','.join([self.bare, server_first, without_proof]).encode()
        signature = digest(hashlib.sha256(client_key).digest(), message)
        self.expected = 'v=' + b64(digest(digest(salted, b'Server Key'), message))
        return without_proof + ',p=' + b64(bytes(a ^ b for a, b in zip(client_key, signature)))


class Talk:
    """One connection up to and through AUTH, in the words of its protocol."""

    def __init__(self, appliance, listener):
        self.client = appliance.line_client(listener)
        self.protocol = self.client.protocol
        if listener in ('submission', 'imap', 'pop3'):
            self.client.starttls()
        else:
            self.client.greet()
        if self.protocol == 'smtp':
            self.client.command('EHLO client.example')

    def begin(self, mechanism, initial):
        tag = 'a AUTHENTICATE' if self.protocol == 'imap' else 'AUTH'
        self.client.send_line('%s %s %s' % (tag, mechanism, b64(initial.encode())))
        return self.answer()

    def say(self, text):
        self.client.send_line(text)
        return self.answer()

    def answer(self):
        """(True, challenge) or (False, the line that ends it)."""
        line = self.client.read_line()
        match = re.fullmatch(r'(?:334|\+) (.*)', line)
        return (True, base64.b64decode(match.group(1)).decode()) if match else (False, line)

    def succeeded(self, line):
        return re.match({'smtp': '235 2.7.0 ', 'imap': 'a OK ', 'pop3': r'\+OK '}[self.protocol], line)

    def failed(self, line):
        return re.match({'smtp': '535 5.7.8 ', 'imap': r'a NO \[AUTHENTICATIONFAILED\]', 'pop3': r'-ERR \[AUTH\]'}
                        [self.protocol], line)


def log_in(talk, scram, mechanism='SCRAM-SHA-256'):
    goes_on, server_first = talk.begin(mechanism, scram.first())
    assert goes_on, server_first
    goes_on, last = talk.say(b64(scram.final(server_first).encode()))
    if not goes_on:
        return last
    assert last == scram.expected, 'the server did not prove itself'
    goes_on, line = talk.say('')
    assert not goes_on
    return line


@pytest.fixture(scope='module')
def app(shared):
    user, password = shared.add_account()
    made = shared.json('app-password', 'add', user, '--label', 'phone', '--scope', 'imap,pop3,smtp',
                       '--password-stdin', stdin=password + '\n')
    shared.deliver(b'Subject: sealed\r\n\r\nread after SCRAM\r\n', user)
    return user, made['app_password'], password


def end_point(appliance):
    der = ssl.PEM_cert_to_DER_cert(appliance.certificate_path.read_text())
    return hashlib.sha256(der).digest()


@pytest.mark.parametrize('listener', LISTENERS)
def test_an_app_password_logs_in_in_every_protocol(shared, app, listener):
    user, password, _ = app
    talk = Talk(shared, listener)
    line = log_in(talk, Scram(user, password))
    assert talk.succeeded(line), line


@pytest.mark.parametrize('listener', ['submissions', 'imaps', 'pop3s'])
def test_written_without_dashes_and_with_another_case_of_the_name_it_is_the_same(shared, app, listener):
    user, password, _ = app
    talk = Talk(shared, listener)
    line = log_in(talk, Scram(user.upper(), password.replace('-', '')))
    assert talk.succeeded(line), line


def test_mail_is_opened_with_keys_from_the_proof(shared, app):
    user, password, _ = app
    talk = Talk(shared, 'pop3s')
    assert talk.succeeded(log_in(talk, Scram(user, password)))
    talk.client.send_line('RETR 1')
    lines = []
    while not lines or lines[-1] != '.':
        lines.append(talk.client.read_line())
    assert 'read after SCRAM' in lines


@pytest.mark.parametrize('listener', ['submissions', 'imaps', 'pop3s'])
def test_main_password_wrong_password_and_unknown_name_fail_in_the_same_words(shared, app, listener):
    user, password, main = app
    lines = set()
    for name, secret in ((user, main), (user, password[:-1] + ('a' if password[-1] != 'a' else 'b')),
                         ('nobody.at.all@example.test', password), ('no address', password)):
        talk = Talk(shared, listener)
        line = log_in(talk, Scram(name, secret))
        assert talk.failed(line), line
        lines.add(line)
    assert len(lines) == 1, lines


def test_the_salt_of_a_name_is_always_the_same_known_or_not(shared, app):
    salts = {}
    for name in (app[0], 'nobody.at.all@example.test', 'nobody.else@example.test') * 2:
        talk = Talk(shared, 'submissions')
        goes_on, first = talk.begin('SCRAM-SHA-256', Scram(name, 'x').first())
        assert goes_on
        salt = first.split(',')[1]
        assert salts.setdefault(name, salt) == salt
    assert len(set(salts.values())) == 3
    assert len({len(s) for s in salts.values()}) == 1


@pytest.mark.parametrize('listener', LISTENERS)
def test_the_certificate_binds_the_channel(shared, app, listener):
    user, password, _ = app
    talk = Talk(shared, listener)
    scram = Scram(user, password, 'p=tls-server-end-point,,', end_point(shared))
    line = log_in(talk, scram, 'SCRAM-SHA-256-PLUS')
    assert talk.succeeded(line), line


@pytest.mark.parametrize('binding', [b'', b'x' * 32])
def test_another_channel_is_refused(shared, app, binding):
    user, password, _ = app
    talk = Talk(shared, 'submissions')
    scram = Scram(user, password, 'p=tls-server-end-point,,', binding)
    line = log_in(talk, scram, 'SCRAM-SHA-256-PLUS')
    assert line.startswith('501 5.5.2 '), line


def test_a_client_that_was_kept_from_binding_is_refused(shared, app):
    user, password, _ = app
    talk = Talk(shared, 'submissions')
    goes_on, line = talk.begin('SCRAM-SHA-256', Scram(user, password, 'y,,').first())
    assert not goes_on and line.startswith('501 5.5.2 ')


@pytest.mark.parametrize('listener', ['submissions', 'imaps', 'pop3s'])
def test_a_client_that_does_not_like_the_servers_proof_is_not_logged_in(shared, app, listener):
    user, password, _ = app
    talk = Talk(shared, listener)
    scram = Scram(user, password)
    goes_on, first = talk.begin('SCRAM-SHA-256', scram.first())
    goes_on, last = talk.say(b64(scram.final(first).encode()))
    assert goes_on
    goes_on, line = talk.say('*')
    assert not goes_on and not talk.succeeded(line)
    after = {'smtp': 'MAIL FROM:<%s>' % user, 'imap': 'b SELECT INBOX', 'pop3': 'STAT'}[talk.protocol]
    talk.client.send_line(after)
    assert re.match(r'530 |b BAD|-ERR', talk.client.read_line())


def test_a_revoked_app_password_proves_nothing(shared):
    user, password = shared.add_account()
    made = shared.json('app-password', 'add', user, '--label', 'gone', '--scope', 'smtp', '--password-stdin',
                       stdin=password + '\n')['app_password']
    talk = Talk(shared, 'submissions')
    assert talk.succeeded(log_in(talk, Scram(user, made)))
    talk = Talk(shared, 'imaps')
    assert not talk.succeeded(log_in(talk, Scram(user, made))), 'its scope is smtp alone'
    shared.run('app-password', 'revoke', user, '--label', 'gone')
    talk = Talk(shared, 'submissions')
    assert talk.failed(log_in(talk, Scram(user, made)))


class OpensslTalk(Talk):
    """The exporter's secret as openssl prints it, and then the connection through its pipes."""

    def __init__(self, appliance):
        self.protocol = 'smtp'
        self.process = subprocess.Popen(
            ['openssl', 's_client', '-connect', '127.0.0.1:%d' % appliance.ports['submissions'], '-servername', HOST,
             '-keymatexport', 'EXPORTER-Channel-Binding', '-keymatexportlen', '32', '-crlf', '-ign_eof'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.client = self
        self.binding = None
        while True:
            line = self.read_line()
            match = re.fullmatch(r'\s*Keying material: ([0-9A-F]+)', line)
            if match:
                self.binding = bytes.fromhex(match.group(1))
            if line.startswith('220 '):
                break
        self.send_line('EHLO client.example')
        while not self.read_line().startswith('250 '):
            pass

    def send_line(self, text):
        self.process.stdin.write(text.encode() + b'\n')
        self.process.stdin.flush()

    def read_line(self):
        line = self.process.stdout.readline()
        assert line, 'openssl has ended'
        return line.decode(errors='replace').rstrip('\r\n')


def test_the_exporter_binds_the_channel(shared, app):
    user, password, _ = app
    talk = OpensslTalk(shared)
    try:
        assert talk.binding and len(talk.binding) == 32
        scram = Scram(user, password, 'p=tls-exporter,,', talk.binding)
        line = log_in(talk, scram, 'SCRAM-SHA-256-PLUS')
        assert talk.succeeded(line), line
    finally:
        talk.process.kill()
        talk.process.wait()


def test_scram_is_offered_once_there_is_an_app_password(fresh):
    """Clients that prefer SCRAM would fail with a main password."""
    def offered():
        client = fresh.line_client('submissions')
        client.greet()
        return any('SCRAM' in text for text in client.command('EHLO client.example')[1])
    assert not offered()
    fresh.run('app-password', 'add', fresh.user, '--label', 'first', '--scope', 'smtp', '--password-stdin',
              stdin=fresh.password + '\n')
    wait_until(offered, what='offered')
    fresh.restart()
    wait_until(offered, what='offered after a restart')
    fresh.run('app-password', 'revoke', fresh.user, '--label', 'first')
    wait_until(lambda: not offered(), what='not any more')
    fresh.run('config', 'set', 'login.scram', 'yes')
    wait_until(offered, what='by the setting')
