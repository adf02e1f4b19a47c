"""A front that tells its clients' addresses by the PROXY protocol, and those who may not."""
import imaplib
import poplib
import smtplib
import socket
import ssl
import struct
import time

import pytest

from letterlock import HOST, Appliance, wait_until

CLIENT = '192.0.2.7'
SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'


def version_1(address=CLIENT):
    family = 'TCP6' if ':' in address else 'TCP4'
    return ('PROXY %s %s %s 40000 25\r\n' % (family, address, '::1' if ':' in address else '198.51.100.1')).encode()


def version_2(address=CLIENT, extra=b''):
    if ':' in address:
        body = socket.inet_pton(socket.AF_INET6, address) + socket.inet_pton(socket.AF_INET6, '::1')
    else:
        body = socket.inet_aton(address) + socket.inet_aton('198.51.100.1')
    body += struct.pack('>HH', 40000, 25) + extra
    return SIGNATURE + bytes([0x21, 0x21 if ':' in address else 0x11]) + struct.pack('>H', len(body)) + body


LOCAL = SIGNATURE + b'\x20\0\0\0'


@pytest.fixture(scope='module')
def fronted():
    """All of loopback is a front, but not for the listener submission-alt."""
    with Appliance() as appliance:
        appliance.setup()
        appliance.run('config', 'set', 'proxy.networks', '127.0.0.0/8 ::1/128')
        appliance.run('config', 'set', 'proxy.listeners', 'smtp submission submissions imap imaps pop3 pop3s')
        appliance.start()
        yield appliance


def connect(appliance, listener, header, tls=False):
    sock = socket.create_connection(('127.0.0.1', appliance.ports[listener]), 20)
    sock.sendall(header)
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        sock = context.wrap_socket(sock, server_hostname=HOST)
    return sock


def line(sock):
    data = b''
    while not data.endswith(b'\n'):
        more = sock.recv(1)
        if not more:
            return data
        data += more
    return data


def is_closed(sock):
    try:
        return sock.recv(100) == b''
    except ConnectionResetError:
        return True


def deliver(appliance, header, subject):
    sock = connect(appliance, 'smtp', header)
    for said, wanted in ((None, b'220'), (b'HELO client.example', b'250'), (b'MAIL FROM:<a@elsewhere.example>', b'250'),
                         (b'RCPT TO:<%s>' % appliance.user.encode(), b'250'), (b'DATA', b'354'),
                         (b'Subject: %s\r\n\r\nx\r\n.' % subject, b'250'), (b'QUIT', b'221')):
        if said:
            sock.sendall(said + b'\r\n')
        got = line(sock)
        assert got.startswith(wanted), (said, got)
    sock.close()


def session(appliance, header, mailbox):
    """An IMAP session behind the front, as imaplib knows it."""
    class Client(imaplib.IMAP4):
        def _create_socket(self, timeout):
            return connect(appliance, 'imaps', header, tls=True)
    client = Client('localhost')
    client.login(appliance.user, appliance.password)
    client.select(mailbox)
    return client


@pytest.mark.parametrize('header, address', [
    (version_1(), '[192.0.2.7]'), (version_2(), '[192.0.2.7]'), (version_2(extra=b'\x04\0\x05hello'), '[192.0.2.7]'),
    (version_1('2001:db8::7'), '[IPv6:2001:db8::7]'), (version_2('2001:db8::7'), '[IPv6:2001:db8::7]'), (LOCAL, '[127.0.0.1]'),
    (b'PROXY UNKNOWN\r\n', '[127.0.0.1]')], ids=['words', 'bytes', 'extra', 'words-6', 'bytes-6', 'local', 'unknown'])
def test_received_tells_the_client(fronted, header, address):
    subject = b'h%d' % (hash(header) & 0xffffffff)
    deliver(fronted, header, subject)
    client = session(fronted, version_1(), 'INBOX')
    found = client.search(None, 'SUBJECT', subject.decode())[1][0].split()
    text = client.fetch(found[-1], '(BODY.PEEK[])')[1][0][1].decode()
    assert 'from client.example (%s)' % address in text
    client.logout()


def test_tls_begins_behind_the_header(fronted):
    """IMAP and POP3 log in; the log names the client, not the front."""
    client = session(fronted, version_2('203.0.113.9'), 'INBOX')
    client.logout()

    class Pop(poplib.POP3):
        def _create_socket(self, timeout):
            return connect(fronted, 'pop3s', version_2('203.0.113.10'), tls=True)
    pop = Pop('localhost')
    pop.user(fronted.user)
    pop.pass_(fronted.password)
    pop.quit()

    class Smtp(smtplib.SMTP):
        def _get_socket(self, host, port, timeout):
            return connect(fronted, 'submissions', version_1('203.0.113.11'), tls=True)
    with Smtp('localhost', 465) as smtp:
        smtp.login(fronted.user, fronted.password)
    for address in ('203.0.113.9', '203.0.113.10'):
        wait_until(lambda a=address: 'peer=' + a in fronted.log_text(), what='the log names ' + address)


def test_a_header_in_drops_is_a_header(fronted):
    header = version_2('203.0.113.20')
    sock = connect(fronted, 'smtp', header[:1])
    for n in range(1, len(header)):
        sock.sendall(header[n:n + 1])
        time.sleep(0.005)
    assert line(sock).startswith(b'220')
    sock.close()


@pytest.mark.parametrize('header', [b'EHLO client.example\r\n', b'\x16\x03\x01\0\0', version_1()[:-2] + b'\n', b'PROXY TCP4 a b 1 2\r\n',
                                    SIGNATURE + b'\x21\x11\0\x01x', SIGNATURE + b'\x21\x11\xff\xff', b'x' * 5000],
                         ids=['none', 'tls', 'bare-lf', 'no-address', 'short', 'long', 'noise'])
def test_without_a_proper_header_the_connection_ends(fronted, header):
    for listener in ('smtp', 'imap', 'pop3s'):
        sock = connect(fronted, listener, header)
        assert is_closed(sock)
        sock.close()
    assert 'event=proxy-refused' in fronted.log_text()


def test_a_front_that_says_nothing_is_dropped(fronted):
    sock = connect(fronted, 'imap', b'PROXY')
    sock.settimeout(15)
    assert is_closed(sock)
    sock.close()


def test_what_the_setting_does_not_name_needs_no_header(fronted):
    sock = connect(fronted, 'submission-alt', b'')
    assert line(sock).startswith(b'220')
    sock.close()


def test_a_stranger_cannot_lie_about_his_address():
    """Without proxy.networks a header is nonsense as any other."""
    with Appliance() as appliance:
        appliance.setup()
        appliance.start()
        sock = connect(appliance, 'smtp', version_1())
        sock.settimeout(20)
        got = line(sock)
        assert got.startswith((b'554', b'500', b'220')), got
        if got.startswith(b'220'):
            assert line(sock).startswith(b'5')
        sock.close()
        appliance.run('config', 'set', 'proxy.networks', '198.51.100.0/24')
        client = appliance.imap()
        client.logout()
