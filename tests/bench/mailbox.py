#!/usr/bin/python3
"""One large mailbox: import, SELECT, flags, SEARCH, STORE, COPY, MOVE, EXPUNGE, APPEND and POP3.

    mailbox.py [LETTERS]       imports them as an mbox, then goes through all; durations in seconds"""
import sys
import threading
import time

from common import Appliance, memory_of, report
from listing import fetch, letter


def make_mbox(path, count):
    size = 0
    with open(path, 'wb') as f:
        for n in range(count):
            text = letter(n).replace(b'\r\n', b'\n')
            f.write(b'From x@elsewhere.example Mon Nov 23 10:00:00 2026\n' + text + b'\n')
            size += len(text)
    return size


def do_import(appliance, count):
    path = appliance.top / 'letters.mbox'
    size = make_mbox(path, count)
    begun = time.perf_counter()
    appliance.run('import', appliance.user, str(path), '--password-stdin', stdin=appliance.password + '\n',
                  timeout=3600)
    seconds = time.perf_counter() - begun
    again = time.perf_counter()
    appliance.run('import', appliance.user, str(path), '--password-stdin', stdin=appliance.password + '\n',
                  timeout=3600)
    report('import of an mbox', appliance.top, letters=count, mb=size / 1e6, s=seconds, per_s=count / seconds,
           a_second_time_s=time.perf_counter() - again)
    path.unlink()


class Session:
    def __init__(self, appliance, user=None, mailbox='INBOX'):
        self.client = appliance.line_client('imap')
        self.client.greet()
        user = user or appliance.user
        assert self.client.imap_command('LOGIN %s "%s"' % (user, appliance.accounts[user]))[1].startswith('x1 OK')
        if mailbox:
            self.do('SELECT ' + mailbox)

    def do(self, command, wanted='OK'):
        """Seconds and untagged answers' bytes; the answer is read as a stream."""
        begun = time.perf_counter()
        self.client.send_line('m1 ' + command)
        tail, size = bytes(self.client.buffer), 0
        self.client.buffer.clear()
        while True:
            end = tail.rstrip(b'\r\n').rsplit(b'\n', 1)[-1]
            if tail.endswith(b'\r\n') and end.startswith(b'm1 '):
                assert end.startswith(b'm1 ' + wanted.encode()), (command, end)
                return time.perf_counter() - begun, size, tail
            data = self.client.sock.recv(1 << 18)
            assert data, 'closed'
            size += len(data)
            tail = (tail + data)[-4000:]


class Prober(threading.Thread):
    """Another session of the account: how long NOOP takes meanwhile."""

    def __init__(self, appliance):
        super().__init__(daemon=True)
        self.session, self.times, self.stopping = Session(appliance), [], False

    def run(self):
        while not self.stopping:
            self.times.append(self.session.do('NOOP')[0])
            time.sleep(0.005)

    def worst(self):
        """Milliseconds: p99, and the longest."""
        self.stopping = True
        self.join()
        self.session.client.close()
        times = sorted(self.times)
        return times[len(times) * 99 // 100] * 1000, times[-1] * 1000


def wait_index(session):
    """Until no search opens letters any more: twice the same quick answer."""
    for _ in range(240):
        if session.do('SEARCH TEXT nosuchword')[0] < 0.2:
            return
        time.sleep(2)


def search(appliance, session):
    begun = time.perf_counter()
    wait_index(session)
    indexed = time.perf_counter() - begun
    figures = {}
    for name, program in (('rare_word', 'TEXT "minutes 777"'), ('word', 'TEXT garden'), ('body', 'BODY invoice'),
                          ('subject', 'SUBJECT "release 4"'), ('from', 'FROM garden99'), ('unseen', 'UNSEEN'),
                          ('since', 'SINCE 1-Jan-2026 LARGER 3000'), ('none', 'TEXT nosuchword')):
        figures[name + '_s'] = min(session.do('SEARCH ' + program)[0] for _ in range(3))
    report('search', appliance.top, indexed_after_s=indexed, **figures)


def change(appliance, session, count):
    many = min(10000, count // 4)
    prober = Prober(appliance)
    prober.start()
    time.sleep(0.5)
    figures = {'store_all_s': session.do('STORE 1:* +FLAGS.SILENT (\\Flagged)')[0]}
    figures['store_p99_ms'], figures['store_worst_ms'] = prober.worst()
    for name, command in (('sort_date', 'SORT (DATE) UTF-8 ALL'), ('sort_subject', 'SORT (SUBJECT) UTF-8 ALL'),
                          ('thread', 'THREAD REFERENCES UTF-8 ALL')):
        figures[name + '_s'] = session.do('UID ' + command)[0]
    session.do('CREATE Other')
    figures['copy_s'] = session.do('COPY 1:%d Other' % many)[0]
    prober = Prober(appliance)
    prober.start()
    figures['move_s'] = session.do('UID MOVE 1:%d Other' % many)[0]
    session.do('STORE 1:%d +FLAGS.SILENT (\\Deleted)' % many)
    figures['expunge_s'] = session.do('EXPUNGE')[0]
    figures['move_expunge_p99_ms'], figures['move_expunge_worst_ms'] = prober.worst()
    report('changes', appliance.top, letters=count, many=many, **figures)


def append(appliance, connections, count):
    text = letter(4)

    def work(session):
        for _ in range(count // connections):
            session.client.send_line('m1 APPEND Appended {%d+}' % len(text))
            session.client.send(text + b'\r\n')
            line = session.client.read_line()
            while line.startswith('* '):
                line = session.client.read_line()
            assert line.startswith('m1 OK'), line
    sessions = [Session(appliance) for _ in range(connections)]
    threads = [threading.Thread(target=work, args=(s,)) for s in sessions]
    begun = time.perf_counter()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    seconds = time.perf_counter() - begun
    for s in sessions:
        s.client.close()
    return count / seconds


def pop3(appliance):
    client = appliance.line_client('pop3')
    client.greet()
    begun = time.perf_counter()
    for line in ('USER ' + appliance.user, 'PASS ' + appliance.password, 'STAT'):
        client.send_line(line)
        answer = client.read_line()
        assert answer.startswith('+OK'), answer
    count = int(answer.split()[1])
    opened = time.perf_counter() - begun
    begun = time.perf_counter()
    size = read_pop3(client, [b'UIDL\r\n'])
    uidl = time.perf_counter() - begun
    wanted = min(count, 20000)
    begun = time.perf_counter()
    size = read_pop3(client, [b'RETR %d\r\n' % (n + 1) for n in range(wanted)])
    seconds = time.perf_counter() - begun
    client.send_line('QUIT')
    report('POP3', appliance.top, letters=count, login_stat_s=opened, uidl_s=uidl, retr=wanted,
           retr_mb_per_s=size / 1e6 / seconds, retr_per_s=wanted / seconds)


def read_pop3(client, commands):
    """Pipelined by fifties; bytes of all answers. No letter of ours begins a line with a dot."""
    size, sent, ends, tail = 0, 0, 0, b''
    while ends < len(commands):
        if sent < len(commands) and sent - ends < 25:
            client.send(b''.join(commands[sent:sent + 25]))
            sent += len(commands[sent:sent + 25])
        data = client.sock.recv(1 << 18)
        assert data, 'closed'
        size += len(data)
        ends += (tail + data).count(b'\r\n.\r\n')
        tail = (tail + data)[-4:]
    return size


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    with Appliance() as appliance:
        appliance.setup()
        appliance.run('config', 'set', 'login.cleartext', '127.0.0.0/8')
        appliance.start()
        do_import(appliance, count)
        begun = time.perf_counter()
        session = Session(appliance)
        first = time.perf_counter() - begun
        select = min(session.do('SELECT INBOX')[0] for _ in range(5))
        flags = min(fetch(session.client, 'FLAGS', count)[0] for _ in range(3))
        headers = fetch(session.client, 'BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)]', count)[0]
        bodies, size = fetch(session.client, 'BODY.PEEK[]', count)
        report('reading', appliance.top, letters=count, login_select_s=first, select_ms=select * 1000, flags_s=flags,
               headers_s=headers, download_mb_per_s=size / 1e6 / bodies)
        search(appliance, session)
        change(appliance, session, count)
        session.do('CREATE Appended')
        report('APPEND', appliance.top, one_per_s=append(appliance, 1, 2000), four_per_s=append(appliance, 4, 4000))
        session.client.close()
        pop3(appliance)
        memory = memory_of(appliance)
        report('memory after all', appliance.top, **{k + '_mb': v['pss'] / 1024 for k, v in memory.items()})


if __name__ == '__main__':
    main()
