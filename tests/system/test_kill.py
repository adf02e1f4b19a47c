"""kill -9 of each role and of all in a delivery storm: what was acknowledged is there exactly once.

A sender that gets a 4xx or loses the connection sends the letter again. A 4xx says that the letter was
not taken, so sending it again must not double it; only a connection that ended between the final dot
and the reply leaves the sender in doubt (RFC 5321 section 4.5.4.1), and only then may it be there more
than once. LETTERLOCK_KILL_CYCLES sets the number of kills."""
import collections
import os
import random
import socket
import ssl
import threading
import time

from imapwire import Imap
from letterlock import ROLES, is_sanitized, wait_until

CYCLES = int(os.environ.get('LETTERLOCK_KILL_CYCLES', '12' if is_sanitized() else '50'))
SENDERS = 3
VICTIMS = ROLES + ('all',)
LOST = (OSError, ssl.SSLError, AssertionError, ValueError, IndexError)


class Storm:
    """Senders by SMTP and one by APPEND, each with its own letters."""

    def __init__(self, appliance):
        self.appliance = appliance
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.acknowledged = set()
        self.doubts = collections.Counter()     # letter -> attempts whose end nobody saw
        self.retried = 0
        self.errors = []
        self.threads = [threading.Thread(target=self.guard, args=(self.send_by_smtp, n)) for n in range(SENDERS)]
        self.threads.append(threading.Thread(target=self.guard, args=(self.send_by_append, SENDERS)))

    def guard(self, target, number):
        try:
            target(number)
        except Exception as e:      # shown by the test
            self.errors.append('sender %d: %s: %s' % (number, type(e).__name__, e))

    def letter(self, name, rng):
        size = rng.choice([200, 4000, 4000, 90000])
        return (b'From: a@elsewhere.example\r\nSubject: storm\r\nX-Storm: %s\r\n\r\n' % name.encode()
                + b'0123456789abcdef' * (size // 16) + b'\r\n')

    def record(self, name):
        with self.lock:
            self.acknowledged.add(name)

    def in_doubt(self, name):
        with self.lock:
            self.doubts[name] += 1

    def send_by_smtp(self, number):
        rng, client, count = random.Random(number), None, 0
        while not self.stopping.is_set():
            name = 's%d-%d' % (number, count)
            count += 1
            letter = self.letter(name, rng)
            while not self.stopping.is_set():
                try:
                    if client is None:
                        client = self.appliance.line_client('smtp')
                        client.greet()
                        client.command('EHLO client.example')
                    if self.attempt(client, name, letter):
                        break
                    self.retried += 1
                    time.sleep(0.05)
                except LOST:
                    if client is not None:
                        client.close()
                    client = None
                    self.retried += 1
                    time.sleep(0.05)
            time.sleep(0.004)

    def attempt(self, client, name, letter):
        """True once acknowledged, False at a 4xx."""
        for text, wanted in (('MAIL FROM:<a@elsewhere.example>', 250),
                             ('RCPT TO:<%s>' % self.appliance.user, 250), ('DATA', 354)):
            code, texts = client.command(text)
            if code != wanted:
                self.check_temporary(name, code, texts)
                client.command('RSET')
                return False
        try:
            client.send(letter + b'.\r\n')
            code, texts = client.reply()
        except LOST:
            self.in_doubt(name)
            raise
        if code == 250:
            self.record(name)
            return True
        self.check_temporary(name, code, texts)
        return False

    def check_temporary(self, name, code, texts):
        if not 400 <= code < 500:
            self.errors.append('%s: %d %s is no answer to a storm' % (name, code, texts))

    def send_by_append(self, number):
        rng, imap, count = random.Random(number), None, 0
        while not self.stopping.is_set():
            name = 'a%d-%d' % (number, count)
            count += 1
            letter = self.letter(name, rng)
            while not self.stopping.is_set():
                try:
                    if imap is None:
                        imap = Imap(self.appliance, mailbox='INBOX')
                    begun = True
                    line = imap.append(letter)
                    begun = False
                    if line.startswith('OK'):
                        self.record(name)
                        break
                    assert line.startswith('NO'), line
                    self.retried += 1
                    time.sleep(0.05)
                except LOST:
                    if imap is not None:
                        if begun:
                            self.in_doubt(name)
                        imap.close()
                    imap, begun = None, False
                    time.sleep(0.05)
            time.sleep(0.02)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *exc):
        self.stopping.set()
        for t in self.threads:
            t.join(90)


def stored_names(appliance):
    names = []
    with Imap(appliance, mailbox='INBOX') as imap:
        for m in imap.fetch('1:*', '(UID BODY.PEEK[HEADER.FIELDS (X-STORM)])'):
            header = next(v for k, v in m.items() if k.startswith('BODY['))
            names.append(header.split(b':', 1)[1].strip().decode())
    return collections.Counter(names)


def can_serve(appliance):
    try:
        with Imap(appliance, mailbox='INBOX') as imap:
            imap.ok('NOOP')
        client = appliance.line_client('smtp')
        client.greet()
        client.close()
        return True
    except (OSError, AssertionError, socket.timeout):
        return False


def test_acknowledged_letters_survive_kill_9(fresh, note):
    rng = random.Random(1)
    killed = collections.Counter()
    with Storm(fresh) as storm:
        time.sleep(1)
        for cycle in range(CYCLES):
            victim = VICTIMS[cycle % len(VICTIMS)]
            if victim == 'all':
                fresh.kill_all()
                fresh.start()
                killed['all'] += 1
            else:
                wait_until(lambda: fresh.pids().get(victim), what='a %s lives' % victim)
                killed[victim] += len(fresh.kill(victim))
            time.sleep(rng.uniform(0.2, 1.2))
        wait_until(lambda: can_serve(fresh), what='it serves after %s' % dict(killed))
        before = len(storm.acknowledged)
        wait_until(lambda: len(storm.acknowledged) > before, what='letters are taken again')
    assert storm.errors == []
    assert all(killed[v] for v in VICTIMS[:CYCLES])
    found = stored_names(fresh)
    missing = sorted(n for n in storm.acknowledged if n not in found)
    assert missing == [], '%d acknowledged letters are gone: %s' % (len(missing), missing[:10])
    doubled = {n: c for n, c in found.items()
               if c > (n in storm.acknowledged) + storm.doubts[n]}
    assert doubled == {}, 'stored more often than sent'
    note('kill -9: %s; %d letters acknowledged, %d retries, %d in doubt, %d stored' % (
        dict(killed), len(storm.acknowledged), storm.retried, sum(storm.doubts.values()), sum(found.values())))
    assert fresh.run('verify').returncode == 0
    fresh.restart()
    assert stored_names(fresh) == found
    fresh.stop()
    assert fresh.run('verify').returncode == 0


def test_a_killed_role_comes_back_and_the_others_go_on(fresh):
    keep = fresh.line_client('smtp')
    keep.greet()
    for role in ('retrieval', 'door', 'auth', 'hash', 'store'):
        with Imap(fresh, mailbox='INBOX'):
            before = fresh.pids()
            old = fresh.kill(role)
            assert old, role
            wait_until(lambda: can_serve(fresh), what='it serves after kill -9 of %s' % role)
            after = fresh.pids()
            assert not set(after.get(role, [])) & set(old)
            for other in ('store', 'auth', 'smtp'):
                if other != role:
                    assert before[other] == after[other], '%s died with %s' % (other, role)
    assert keep.command('NOOP')[0] == 250


def test_nothing_of_a_half_letter_is_left_after_a_crash(fresh):
    client = fresh.line_client('smtp')
    client.greet()
    for text in ('EHLO client.example', 'MAIL FROM:<a@elsewhere.example>', 'RCPT TO:<%s>' % fresh.user, 'DATA'):
        client.command(text)
    client.send(b'Subject: half\r\n\r\n' + os.urandom(1 << 20).hex().encode() + b'\r\n')
    time.sleep(0.5)
    fresh.kill_all()
    fresh.start()
    with Imap(fresh, mailbox='INBOX') as imap:
        assert imap.fetch('1:*', '(UID)') == []
    result = fresh.json('verify')
    assert result.get('damaged', result.get('problems', [])) in ([], 0), result
    fresh.stop()
    import sqlite3
    for name in ('mail.db', 'letters.db'):
        with sqlite3.connect('file:%s?mode=ro' % (fresh.data / name), uri=True) as db:
            assert db.execute('SELECT count(*) FROM chunk').fetchone() == (0,), name
