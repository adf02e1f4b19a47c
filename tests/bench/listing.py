#!/usr/bin/python3
"""FETCH 1:* of envelopes and structures from a large mailbox: first, warm, and after a restart.

    listing.py [LETTERS] [CONNECTIONS]     loads by pipelined SMTP, the letters dealt out to connections"""
import random
import sys
import threading
import time

from common import Appliance, report

WORDS = ('meeting invoice garden release status travel question photo draft contract holiday build review order '
         'minutes concert schedule problem offer recipe').split()


def letter(number):
    """Some 3 KB: every third has an attachment, every fifth is plain."""
    rng = random.Random(number)
    subject = ' '.join(rng.choices(WORDS, k=5))
    head = ('From: "%s %s" <%s%d@elsewhere.example>\r\nTo: Owner <owner@example.test>, list-%d@lists.example\r\n'
            'Date: Mon, %d Nov 2026 10:%02d:00 +0000\r\nSubject: %s %d\r\nMessage-ID: <%d.%d@elsewhere.example>\r\n'
            'In-Reply-To: <%d.1@elsewhere.example>\r\nMIME-Version: 1.0\r\n' % (
                rng.choice(WORDS).title(), rng.choice(WORDS).title(), rng.choice(WORDS), number % 500, number % 20,
                1 + number % 28, number % 60, subject, number, number, rng.getrandbits(48), number // 2))
    text = '\r\n'.join(' '.join(rng.choices(WORDS, k=10)) for _ in range(24)) + '\r\n'
    if number % 5 == 0:
        return (head + 'Content-Type: text/plain; charset=utf-8\r\n\r\n' + text).encode()
    parts = [('text/plain; charset=utf-8', text), ('text/html; charset=utf-8', '<p>%s</p>\r\n' % text)]
    if number % 3 == 0:
        parts.append(('application/pdf; name="%s.pdf"' % rng.choice(WORDS), 'JVBERi0xLjQK' * 20 + '\r\n'))
    body = ''.join('--b%d\r\nContent-Type: %s\r\n\r\n%s' % (number, kind, content) for kind, content in parts)
    return (head + 'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n%s--b%d--\r\n'
            % (number, body, number)).encode()


def load(appliance, numbers):
    client = appliance.line_client('smtp')
    client.greet()
    client.command('EHLO client.example')
    envelope = b'MAIL FROM:<stranger@elsewhere.example>\r\nRCPT TO:<%s>\r\nDATA\r\n' % appliance.user.encode()
    client.send(envelope)
    for number in numbers:
        for wanted in (250, 250, 354):
            code, texts = client.reply()
            assert code == wanted, texts
        client.send(letter(number) + b'.\r\n' + envelope)
        code, texts = client.reply()
        assert code == 250, texts
    client.close()


def load_all(appliance, count, connections):
    begun = time.perf_counter()
    threads = [threading.Thread(target=load, args=(appliance, range(n, count, connections)))
               for n in range(connections)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return time.perf_counter() - begun


def fetch(client, items, count):
    """Seconds and bytes of one FETCH 1:*, read as a stream."""
    begun = time.perf_counter()
    client.send_line('f1 FETCH 1:* (%s)' % items)
    size, tail, answers = 0, b'', 0
    while True:
        data = client.sock.recv(1 << 18)
        assert data, 'closed'
        size += len(data)
        answers += data.count(b' FETCH (')
        tail = (tail + data)[-200:]
        last = tail.rstrip(b'\r\n').rsplit(b'\r\n', 1)[-1]
        if tail.endswith(b'\r\n') and last.startswith(b'f1 '):
            assert last.startswith(b'f1 OK'), last
            break
    assert answers >= count * 0.999, '%d answers' % answers
    return time.perf_counter() - begun, size


def session(appliance):
    client = appliance.line_client('imap')
    client.greet()
    assert client.imap_command('LOGIN %s "%s"' % (appliance.user, appliance.password))[1].startswith('x1 OK')
    begun = time.perf_counter()
    assert client.imap_command('SELECT INBOX', 'x2')[1].startswith('x2 OK')
    return client, (time.perf_counter() - begun) * 1000


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    connections = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    both = 'ENVELOPE BODYSTRUCTURE'
    with Appliance() as appliance:
        appliance.setup()
        appliance.run('config', 'set', 'login.cleartext', '127.0.0.0/8')
        appliance.start()
        seconds = load_all(appliance, count, connections)
        report('letters in by SMTP', appliance.top, letters=count, connections=connections, per_s=count / seconds)
        client, select_ms = session(appliance)
        first, size = fetch(client, both, count)
        warm = sorted(fetch(client, both, count)[0] for _ in range(5))[2]
        flags = sorted(fetch(client, 'UID FLAGS', count)[0] for _ in range(3))[1]
        report('envelopes and structures', appliance.top, letters=count, first_s=first, warm_s=warm, mb=size / 1e6,
               flags_s=flags, select_ms=select_ms)
        time.sleep(30)      # adoption in the background
        client.close()
        appliance.restart()
        client, select_ms = session(appliance)
        again, _ = fetch(client, both, count)
        warm = sorted(fetch(client, both, count)[0] for _ in range(5))[2]
        report('envelopes and structures after a restart', appliance.top, letters=count, first_s=again, warm_s=warm,
               select_ms=select_ms)
        client.close()


if __name__ == '__main__':
    main()
