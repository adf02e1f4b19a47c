"""Letters that go out carry signatures which two independent verifiers find good."""
import re
import shutil
import subprocess

import pytest

from letterlock import wait_until
from smtpsink import Sink
from test_relay import out, route  # noqa: F401 (out is a fixture)

dkim = pytest.importorskip('dkim', reason='python3-dkim is not installed')

HEADER = (b'From: Owner <owner@example.test>\r\nTo: anna@elsewhere.example\r\nSubject: signed\r\n'
          b'Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@example.test>\r\n')

BODIES = {
    'plain': b'\r\nHello.\r\n',
    'empty': b'\r\n',
    'no-body': b'',
    'dots': b'\r\n.\r\n..\r\n. dot\r\n.\r\n',
    'blank-lines': b'\r\n\r\n\r\na\r\n\r\n\r\n \t\r\n\r\n',
    'blanks': b'\r\n a \t b \r\n\t\r\nc\t\r\n',
    'eight-bit': b'\r\n\xc3\xbc\xff\xfe \x80\r\n',
    'long': b'\r\n' + b''.join(b'line %d of a longer letter  with  blanks \r\n' % i for i in range(40000)),
    'folds': b'X-Other: 1\r\n\t2\r\nReferences: <a@b>\r\n\t<c@d>\r\n  <e@f>\r\nCc: x@elsewhere.example,\r\n'
             b' y@elsewhere.example \r\nCC:z@elsewhere.example\r\n\r\nHello.\r\n',
    'attachment': b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary="x"\r\n\r\n'
                  b'--x\r\nContent-Type: text/plain\r\n\r\nHello\r\n--x--\r\n',
}


def records(appliance, domain='example.test'):
    return {x['name']: x for x in appliance.json('domain', 'dkim', 'show', domain)}


def signatures(text):
    return re.findall(rb'^DKIM-Signature:(?:.|\r\n[ \t])*', text, re.M)


def check(text, published):
    """Every signature of the letter is good; the algorithms they used."""
    def txt(name, timeout=5):
        record = published.get(name.decode().rstrip('.'))
        return record['record'].encode() if record else None
    verifier = dkim.DKIM(text)
    found = signatures(text)
    for i in range(len(found)):
        assert verifier.verify(idx=i, dnsfunc=txt), found[i]
    return sorted(re.search(rb'a=([a-z0-9-]+)', x)[1].decode() for x in found)


def send(appliance, name, body, sender=None):
    letter = HEADER % name.encode() + body
    with appliance.submission() as client:
        client.sendmail(sender or appliance.user, ['anna@elsewhere.example'], letter, ['BODY=8BITMIME'])
    return letter


def arrival(sink, count):
    return wait_until(lambda: len(sink.letters) >= count and sink.letters, what='letter %d arrives' % count)[count - 1]


def test_every_letter_is_signed_twice_and_good(out):
    published = records(out)
    assert sorted(x['algorithm'] for x in published.values()) == ['ed25519-sha256', 'rsa-sha256']
    with Sink() as sink:
        route(out, sink)
        for n, (name, body) in enumerate(BODIES.items(), 1):
            letter = send(out, name, body)
            text = arrival(sink, n).data
            assert check(text, published) == ['ed25519-sha256', 'rsa-sha256'], name
            if body:
                assert text.endswith(letter), name
            # What a signature covers cannot be changed, nor can a field be added that it names.
            for wrong in (text + b'more\r\n', text.replace(b'signed', b'forged', 1), b'Subject: x\r\n' + text,
                          b'Reply-To: x@evil.example\r\n' + text):
                with pytest.raises((AssertionError, dkim.ValidationError)):
                    check(wrong, published)


def test_opendkim_finds_the_rsa_signature_good(out, tmp_path):
    """It looks keys up in a file. Of Ed25519 it knows nothing."""
    if not shutil.which('opendkim'):
        pytest.skip('opendkim is not installed')
    published = records(out)
    keys = tmp_path / 'keys'
    keys.write_text(''.join('%s %s\n' % (x['name'], x['record']) for x in published.values()))
    conf = tmp_path / 'opendkim.conf'
    conf.write_text('TestDNSData %s\n' % keys)
    with Sink() as sink:
        route(out, sink)
        for n, (name, body) in enumerate(BODIES.items(), 1):
            send(out, name, body)
            text = arrival(sink, n).data
            for is_good, t in ((True, text), (False, text.replace(b'signed', b'forged', 1))):
                path = tmp_path / name
                path.write_bytes(re.sub(rb'DKIM-Signature: v=1; a=ed25519(?:.|\r\n[ \t])*\r\n', b'', t))
                done = subprocess.run(['opendkim', '-x', conf, '-t', path], capture_output=True, text=True, timeout=30)
                assert ('verification (s=' in done.stdout and 'succeeded' in done.stdout) is is_good, (name, done)


def test_the_domain_of_the_from_signs(out):
    """Two domains, each with keys of its own; a domain whose keys are gone goes unsigned."""
    out.run('domain', 'add', 'second.test')
    out.run('alias', 'add', 'me@second.test', out.user)
    with Sink() as sink:
        route(out, sink)
        second = HEADER.replace(b'owner@example.test', b'me@second.test') % b'two' + b'\r\nHello\r\n'
        with out.submission() as client:
            client.sendmail('me@second.test', ['anna@elsewhere.example'], second)
        text = arrival(sink, 1).data
        assert len(signatures(text)) == 2 and all(b'd=second.test;' in x for x in signatures(text))
        assert check(text, records(out, 'second.test')) == ['ed25519-sha256', 'rsa-sha256']


def test_dns_says_what_to_publish(out):
    out.run('domain', 'add', 'second.test')
    records = out.json('dns')
    found = {(r['name'], r['type']): r['value'] for r in records}
    for domain in ('example.test', 'second.test'):
        assert found[domain, 'MX'] == '10 localhost.'
        assert found[domain, 'TXT'] == 'v=spf1 mx -all'
        assert found['_dmarc.' + domain, 'TXT'].startswith('v=DMARC1; p=')
        assert found['_imaps._tcp.' + domain, 'SRV'] == '0 1 993 localhost.'
    keys = {x['name']: x['record'] for d in ('example.test', 'second.test') for x in out.json('domain', 'dkim', 'show', d)}
    assert len(keys) == 4 and all(found[name, 'TXT'] == value for name, value in keys.items())
    # A zone file reads it.
    zone = pytest.importorskip('dns.zone')
    text = '$TTL 300\n@ IN SOA a. b. 1 1 1 1 1\n@ IN NS localhost.\n' + out.run('dns', 'second.test').stdout
    z = zone.from_text(text, origin='test.', check_origin=False)
    texts = [b''.join(r.strings).decode() for _, _, r in z.iterate_rdatas('TXT')]
    assert set(keys[k] for k in keys if k.endswith('second.test')) <= set(texts)
    assert out.run('dns', 'third.test', check=False).returncode != 0


def test_new_keys_sign_when_they_are_told_to(out):
    before = records(out)
    with Sink() as sink:
        route(out, sink)
        out.run('domain', 'dkim', 'rotate', 'example.test')
        both = records(out)
        assert set(before) < set(both) and len(both) == 4
        send(out, 'before', BODIES['plain'])
        first = arrival(sink, 1).data
        assert check(first, before) == ['ed25519-sha256', 'rsa-sha256']
        out.run('domain', 'dkim', 'activate', 'example.test')
        send(out, 'after', BODIES['plain'])
        second = arrival(sink, 2).data
        assert check(second, {k: v for k, v in both.items() if k not in before}) == ['ed25519-sha256', 'rsa-sha256']
        check(first, records(out))  # the retired ones are still shown: letters may be on their way
        assert out.run('domain', 'dkim', 'activate', 'example.test', check=False).returncode != 0
        out.run('domain', 'dkim', 'rotate', 'example.test')
        assert len(records(out)) == 4 and not set(before) & set(records(out))


def test_keys_come_through_restarts_and_kills(out):
    published = records(out)
    with Sink() as sink:
        route(out, sink)
        for n, victim in enumerate(('relay', 'store'), 1):
            out.kill(victim)
            send(out, victim, BODIES['plain'])
            assert check(arrival(sink, n).data, published) == ['ed25519-sha256', 'rsa-sha256']
        out.stop()
        out.start()
        send(out, 'restart', BODIES['plain'])
        assert check(arrival(sink, 3).data, published) == ['ed25519-sha256', 'rsa-sha256']
