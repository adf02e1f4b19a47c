"""Programs that look for weak TLS find none, at any door."""
import json
import re
import subprocess

import pytest

from letterlock import HOST
from test_clients import run, tool

STARTTLS = {'smtp': 'smtp', 'submission': 'smtp', 'submission-alt': 'smtp', 'imap': 'imap', 'pop3': 'pop3'}
LISTENERS = (*STARTTLS, 'submissions', 'imaps', 'pop3s')


@pytest.mark.parametrize('listener', LISTENERS)
def test_sslscan_finds_tls_1_2_and_1_3_with_strong_suites_alone(shared, listener):
    how = ['--starttls-' + STARTTLS[listener]] if listener in STARTTLS else []
    text = run(tool('sslscan'), '--no-colour', '--xml=-', *how, '127.0.0.1:%d' % shared.ports[listener]).decode()
    enabled = {(t, v): e == '1' for t, v, e in re.findall(r'<protocol type="(\w+)" version="([\d.]+)" enabled="(\d)"', text)}
    assert len(enabled) == 6 and {k for k, v in enabled.items() if v} == {('tls', '1.2'), ('tls', '1.3')}
    ciphers = re.findall(r'<cipher status="\w+" sslversion="(TLSv1\.\d)" bits="(\d+)" cipher="([^"]+)"', text)
    assert len(ciphers) >= 5
    for version, bits, name in ciphers:
        assert int(bits) >= 128 and re.search('GCM|CHACHA20', name), name
        assert version == 'TLSv1.3' or name.startswith('ECDHE-'), name
    assert 'vulnerable="1"' not in text and '<renegotiation supported="1" secure="0"' not in text


@pytest.mark.release
@pytest.mark.parametrize('listener', ['smtp'])
def test_testssl_finds_nothing_weak(shared, tmp_path, listener):
    found = tmp_path / 'found.json'
    how = ['-t', STARTTLS[listener]] if listener in STARTTLS else []
    tool('testssl')
    subprocess.run(['testssl', '--quiet', '--color', '0', '--warnings', 'batch', '--ip', 'one', '-p', '-s', '-f', '--jsonfile', found,
                    *how, '%s:%d' % (HOST, shared.ports[listener])], capture_output=True, timeout=200, cwd=tmp_path)
    results = json.loads(found.read_text())
    by_id = {r['id']: r for r in results}
    assert by_id['TLS1_2']['severity'] == 'OK' and by_id['TLS1_3']['severity'] == 'OK', by_id
    assert by_id['TLS1']['finding'] == 'not offered' and by_id['TLS1_1']['finding'] == 'not offered'
    bad = [r for r in results if r['severity'] in ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL', 'FATAL')]
    assert not bad, bad


@pytest.mark.parametrize('listener', STARTTLS)
def test_openssl_and_gnutls_start_tls_everywhere(shared, listener):
    protocol = STARTTLS[listener]
    words = {'smtp': b'EHLO client.example\r\nQUIT\r\n', 'imap': b'a LOGOUT\r\n', 'pop3': b'CAPA\r\nQUIT\r\n'}[protocol]
    text = run(tool('openssl'), 's_client', '-starttls', protocol, '-connect', '%s:%d' % (HOST, shared.ports[listener]),
               '-CAfile', shared.certificate_path, '-verify_return_error', '-crlf', '-ign_eof', stdin=words.replace(b'\r\n', b'\n'))
    assert b'Verify return code: 0 (ok)' in text
    assert {'smtp': b'\n221 ', 'imap': b'a OK', 'pop3': b'\n+OK'}[protocol] in text
    run(tool('gnutls-cli'), '--starttls-proto', protocol, '-p', shared.ports[listener], '--x509cafile', shared.certificate_path,
        HOST, stdin=b'')
