"""A new letter reaches a session in IDLE soon after its sender had the 250."""
import select
import time

from imapwire import Imap

ROUNDS = 60
LETTER = b'From: a@elsewhere.example\r\nSubject: %d\r\n\r\n' + b'x' * 4000 + b'\r\n'


def test_exists_reaches_idle(shared, account, note):
    user, _ = account
    with Imap(shared, user, mailbox='INBOX') as imap:
        imap.wire.send_line('i1 IDLE')
        assert imap.wire.read_line().startswith('+')
        sender = shared.line_client('smtp')
        sender.greet()
        sender.command('EHLO client.example')
        delays = []
        for number in range(ROUNDS):
            sender.command('MAIL FROM:<a@elsewhere.example>')
            sender.command('RCPT TO:<%s>' % user)
            assert sender.command('DATA')[0] == 354
            sender.send(LETTER % number + b'.\r\n')
            assert sender.reply()[0] == 250
            acknowledged = time.monotonic()
            line = imap.wire.read_line(5)
            while line != '* %d EXISTS' % (number + 1):
                assert line is not None and 'RECENT' in line, line
                line = imap.wire.read_line(5)
            delays.append((time.monotonic() - acknowledged) * 1000)
        imap.wire.send_line('DONE')
        line = imap.wire.read_line()
        while line.startswith('* '):
            line = imap.wire.read_line()
        assert line.startswith('i1 OK')
    delays.sort()
    note('EXISTS after the 250: p50 %.1f ms, p99 %.1f ms of %d' % (
        delays[ROUNDS // 2], delays[int(ROUNDS * 0.99)], ROUNDS))
    assert delays[-1] < 5000


def test_a_second_session_hears_of_flags_and_expunges(shared, account):
    user, _ = account
    for number in range(3):
        shared.deliver(LETTER % number, user)
    with Imap(shared, user, mailbox='INBOX') as watcher, Imap(shared, user, mailbox='INBOX') as worker:
        watcher.wire.send_line('i1 IDLE')
        assert watcher.wire.read_line().startswith('+')
        worker.ok('UID STORE 2 +FLAGS (\\Flagged)')
        line = watcher.wire.read_line(5)
        assert line.startswith('* 2 FETCH (') and '\\Flagged' in line, line
        worker.ok('UID STORE 1 +FLAGS.SILENT (\\Deleted)')
        worker.ok('EXPUNGE')
        lines = []
        while '* 1 EXPUNGE' not in lines:
            lines.append(watcher.wire.read_line(5))
            assert lines[-1] is not None and len(lines) < 10, lines
        watcher.wire.send_line('DONE')
        while not watcher.wire.read_line(5).startswith('i1 OK'):
            pass
        assert [m['UID'] for m in watcher.fetch('1:*', '(UID)')] == [2, 3]


def test_idle_is_silent_when_nothing_happens(shared, account):
    user, _ = account
    with Imap(shared, user, mailbox='INBOX') as imap:
        imap.wire.send_line('i1 IDLE')
        assert imap.wire.read_line().startswith('+')
        assert select.select([imap.wire.sock], [], [], 1.0)[0] == []
