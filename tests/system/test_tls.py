"""TLS on every port: what came before it is forgotten, its end is the connection's end, old versions are
refused, sessions resume."""
import socket
import ssl

import pytest

from letterlock import HOST, IMPLICIT_TLS, LISTENERS

INJECTED = {'smtp': (b'STARTTLS\r\n', b'EHLO injected.example\r\nNOOP\r\n'),
            'imap': (b'x1 STARTTLS\r\n', b'x2 NOOP\r\nx3 CAPABILITY\r\n'),
            'pop3': (b'STLS\r\n', b'CAPA\r\nNOOP\r\n')}
EXPLICIT = [name for name in LISTENERS if name not in IMPLICIT_TLS]


@pytest.mark.parametrize('listener', EXPLICIT)
def test_what_came_in_clear_behind_starttls_is_forgotten(shared, listener):
    client = shared.line_client(listener)
    client.greet()
    if client.protocol == 'smtp':
        client.command('EHLO client.example')
    word, injected = INJECTED[client.protocol]
    client.send(word + injected)
    line = client.read_line()
    assert line is not None and line.startswith(('220', 'x1 OK', '+OK')), line
    try:
        client.handshake()
    except (OSError, AssertionError):
        return      # the server may as well have taken the injected bytes for a broken handshake
    assert client.is_silent(0.5), 'an answer to what was sent in clear: %r' % client.buffer


def test_what_was_learnt_before_starttls_is_forgotten(shared, account):
    client = shared.line_client('smtp')
    client.greet()
    client.command('EHLO client.example')
    assert client.command('MAIL FROM:<a@elsewhere.example>')[0] == 250
    code = client.command('STARTTLS')[0]
    if code == 220:
        client.handshake()
        assert client.command('RCPT TO:<%s>' % account[0])[0] == 503
        code, texts = client.command('EHLO client.example')
        assert code == 250 and not any(t.upper() == 'STARTTLS' for t in texts)
    else:
        assert code == 503


@pytest.mark.parametrize('listener', LISTENERS)
def test_clear_bytes_behind_the_end_of_tls_end_the_connection(shared, account, listener):
    client = shared.line_client(listener)
    if listener not in IMPLICIT_TLS:
        client.starttls()
    else:
        client.greet()
    if client.protocol == 'smtp' and listener == 'smtp':
        for text in ('EHLO client.example', 'MAIL FROM:<a@elsewhere.example>', 'RCPT TO:<%s>' % account[0], 'DATA'):
            client.command(text)
        client.send(b'Subject: half\r\n')
    try:
        clear = client.sock.unwrap()      # sends close_notify, waits for the server's
    except (OSError, ssl.SSLError):
        return
    clear.settimeout(10)
    try:
        clear.sendall(b'NOOP\r\nx1 NOOP\r\n.\r\nQUIT\r\n')
        assert clear.recv(1000) == b'', 'the server went on in clear'
    except (ConnectionResetError, BrokenPipeError):
        pass


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_resumes(shared, version):
    context = shared.tls_context()
    context.minimum_version = context.maximum_version = version

    def connect(session):
        sock = socket.create_connection((HOST, shared.ports['imaps']), 10)
        tls = context.wrap_socket(sock, server_hostname=HOST, session=session)
        tls.recv(1000)
        kept, reused, spoken = tls.session, tls.session_reused, tls.version()
        tls.close()
        return kept, reused, spoken
    first, _, spoken = connect(None)
    assert spoken == ('TLSv1.2' if version == ssl.TLSVersion.TLSv1_2 else 'TLSv1.3')
    assert connect(first)[1]


def test_old_versions_are_refused(shared):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers('ALL:@SECLEVEL=0')
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection((HOST, shared.ports['imaps']), 10) as sock:
        with pytest.raises((ssl.SSLError, OSError)):
            context.wrap_socket(sock, server_hostname=HOST)


@pytest.mark.parametrize('listener,protocol', [('imaps', 'imap'), ('pop3s', 'pop3')])
def test_alpn_names_the_protocol(shared, listener, protocol):
    context = shared.tls_context()
    context.set_alpn_protocols([protocol])
    with socket.create_connection((HOST, shared.ports[listener]), 10) as sock:
        with context.wrap_socket(sock, server_hostname=HOST) as tls:
            assert tls.selected_alpn_protocol() == protocol
            assert tls.recv(4)


def test_clear_text_to_a_tls_port_is_no_session(shared):
    for listener in IMPLICIT_TLS:
        with socket.create_connection((HOST, shared.ports[listener]), 10) as sock:
            sock.sendall(b'EHLO client.example\r\nx1 CAPABILITY\r\n')
            sock.settimeout(10)
            try:
                got = sock.recv(1000)
            except ConnectionResetError:
                got = b''
            assert got == b'' or got[0] == 21, 'an answer in clear: %r' % got
