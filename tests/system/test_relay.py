"""Letters on their way out: to a good server, to bad ones, through crashes; and who may not send any."""
import email
import email.policy
import re
import smtplib
import time

import pytest

from imapwire import Imap
from letterlock import wait_until
from smtpsink import Sink, drip

LETTER = (b'From: Owner <owner@example.test>\r\nTo: anna@elsewhere.example\r\nSubject: out %s\r\n'
          b'Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@example.test>\r\n\r\nHello,\r\n.\r\n..\r\n. dot\r\n\xc3\xbc\r\nend\r\n')


def letter(name):
    return LETTER % (name.encode(), name.encode())


@pytest.fixture
def out(fresh):
    """An appliance that tries again soon."""
    for name, value in (('relay.retry-first', '1'), ('relay.retry-longest', '2')):
        fresh.run('config', 'set', name, value)
    return fresh


def route(appliance, sink, destination='*', **options):
    arguments = [x for k, v in options.items() for x in ('--' + k, v)]
    appliance.run('route', 'add', destination, '127.0.0.1:%d' % sink.port, *arguments)


def submit(appliance, text, recipients=('anna@elsewhere.example',), options=()):
    with appliance.submission() as client:
        return client.sendmail(appliance.user, list(recipients), text, options)


def inbox(appliance):
    with Imap(appliance, appliance.user, mailbox='INBOX') as imap:
        return [m['BODY[]'] for m in imap.fetch('1:*', '(UID BODY.PEEK[])')]


def queue(appliance):
    return appliance.json('queue', 'list')


def wait_empty(appliance):
    wait_until(lambda: not queue(appliance), what='the queue is empty')


def wait_report(appliance):
    reports = wait_until(lambda: inbox(appliance), what='a report comes')
    assert len(reports) == 1
    return email.message_from_bytes(reports[0], policy=email.policy.default)


def test_a_submitted_letter_arrives_byte_for_byte(out):
    with Sink() as sink:
        route(out, sink)
        submit(out, letter('one'), options=('BODY=8BITMIME',))
        wait_until(lambda: sink.letters, what='the letter arrives')
        got = sink.letters[0]
        assert got.sender == out.user and got.recipients == ['anna@elsewhere.example']
        assert got.data.endswith(letter('one'))
        assert re.match(rb'(?:DKIM-Signature: (?:.|\r\n\t)*\r\n){2}Received: by ', got.data)
        assert b'Return-Path' not in got.data
        assert 'BODY=8BITMIME' in got.mail_line
        wait_empty(out)
    out.run('verify')


def test_a_stranger_relays_nothing(out):
    with Sink() as sink:
        route(out, sink)
        with out.smtp() as client:
            client.helo()
            assert client.mail('stranger@elsewhere.example')[0] == 250
            code, words = client.rcpt('anna@elsewhere.example')
            assert code == 550 and b'elay' in words
            # Nor in an owner's name.
            client.rset()
            assert client.mail(out.user)[0] == 250
            assert client.rcpt('anna@elsewhere.example')[0] == 550
        assert queue(out) == [] and sink.connections == 0


def test_an_owner_sends_in_no_others_name(out):
    other, _ = out.add_account()
    with out.submission() as client:
        client.ehlo()
        assert client.mail(other)[0] == 553
        assert client.mail('someone@elsewhere.example')[0] == 553


def test_local_and_foreign_recipients_of_one_letter(out):
    with Sink() as sink:
        route(out, sink)
        submit(out, letter('both'), [out.user, 'a@elsewhere.example', 'b@elsewhere.example', 'c@other.example'])
        wait_until(lambda: sum(len(x.recipients) for x in sink.letters) == 3, what='all three')
        # One route, one transaction.
        assert len(sink.letters) == 1
        assert wait_until(lambda: inbox(out), what='the local copy')[0].endswith(letter('both'))
        wait_empty(out)


@pytest.mark.parametrize('step', ['connect', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'end'])
@pytest.mark.parametrize('pipelining', [True, False], ids=['pipelined', 'step by step'])
def test_a_4xx_is_tried_again(out, step, pipelining):
    refused = []

    def script(session, at, argument):
        if at == step and len(refused) < 2:
            refused.append(at)
            return b'451 4.3.0 later\r\n'
        return None
    with Sink(script, capabilities=['PIPELINING'] if pipelining else ['SIZE']) as sink:
        route(out, sink)
        submit(out, letter('again'))
        wait_until(lambda: sink.letters, what='it arrives after all')
        wait_empty(out)
        assert len(refused) == 2 and len(sink.letters) == 1
    assert inbox(out) == []


@pytest.mark.parametrize('step', ['MAIL', 'RCPT', 'DATA', 'end'])
def test_a_5xx_comes_back_to_the_sender(out, step):
    def script(session, at, argument):
        return b'550 5.1.1 nobody of this name\r\n' if at == step else None
    with Sink(script) as sink:
        route(out, sink)
        submit(out, letter('back'))
        report = wait_report(out)
        wait_empty(out)
        assert sink.letters == []
    assert report['Return-Path'].strip() == '<>' and report['To'] == out.user
    assert report.get_content_type() == 'multipart/report'
    assert report.get_param('report-type') == 'delivery-status'
    words, machine, header = report.get_payload()
    assert 'anna@elsewhere.example' in words.get_content() and 'nobody of this name' in words.get_content()
    blocks = machine.get_payload()
    assert blocks[1]['Final-Recipient'] == 'rfc822; anna@elsewhere.example'
    assert blocks[1]['Action'] == 'failed' and blocks[1]['Status'] == '5.1.1'
    assert '550 5.1.1 nobody of this name' in blocks[1]['Diagnostic-Code']
    assert 'Subject: out back' in header.get_content()
    out.run('verify')


@pytest.mark.parametrize('step', ['connect', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'text', 'end'])
def test_a_server_that_closes_is_tried_again(out, step):
    closed = []

    def script(session, at, argument):
        if at == step and not closed:
            closed.append(at)
            return Sink.CLOSE
        return None
    with Sink(script) as sink:
        route(out, sink)
        submit(out, letter('closed'))
        wait_until(lambda: sink.letters, what='it arrives after all')
        wait_empty(out)
        assert closed


@pytest.mark.parametrize('greeting', [b'hello there\r\n', b'\x00\xff\xfe\r\n', b'220' + b'x' * 100000 + b'\r\n',
                                      b'220-a\r\n' * 1000, b'SSH-2.0-OpenSSH_9.2\r\n', b'22\r\n'],
                         ids=['words', 'bytes', 'long', 'lines', 'ssh', 'short'])
def test_garbage_is_no_server(out, greeting):
    seen = []

    def script(session, at, argument):
        if at == 'connect' and not seen:
            seen.append(at)
            return greeting
        return None
    with Sink(script) as sink:
        route(out, sink)
        submit(out, letter('garbage'))
        wait_until(lambda: sink.letters, what='it arrives after all')


def test_a_server_that_drips_is_borne(out):
    def script(session, at, argument):
        if at in ('connect', 'EHLO'):
            drip(session, b'220 drip\r\n' if at == 'connect' else b'250-drip\r\n250 PIPELINING\r\n')
            return b''
        return None
    with Sink(script) as sink:
        route(out, sink)
        submit(out, letter('drip'))
        wait_until(lambda: sink.letters, what='it arrives')


def test_only_the_refused_recipient_comes_back(out):
    def script(session, at, argument):
        return b'550 5.1.1 who?\r\n' if at == 'RCPT' and 'bad' in argument else None
    with Sink(script) as sink:
        route(out, sink)
        submit(out, letter('mixed'), ['good@elsewhere.example', 'bad@elsewhere.example', 'fine@elsewhere.example'])
        report = wait_report(out)
        assert sink.letters[0].recipients == ['good@elsewhere.example', 'fine@elsewhere.example']
        text = report.as_string()
        assert 'bad@elsewhere.example' in text and 'good@elsewhere.example' not in text
        wait_empty(out)


def test_there_is_no_report_on_a_letter_without_sender(out):
    with Sink(lambda s, at, argument: b'550 no\r\n' if at == 'RCPT' else None) as sink:
        route(out, sink)
        with out.submission() as client:
            client.sendmail('', ['anna@elsewhere.example'], letter('null'))
        wait_empty(out)
        wait_until(lambda: 'report-undeliverable' in out.log_text(), what='it is logged')
    assert inbox(out) == []


def test_many_letters_take_few_connections(out):
    with Sink() as sink:
        route(out, sink)
        with out.submission() as client:
            for i in range(200):
                client.sendmail(out.user, ['anna@elsewhere.example'], letter('many-%d' % i))
        wait_until(lambda: len(sink.letters) == 200, what='all arrive')
        assert sink.connections <= 20
        assert len({re.search(rb'many-\d+', x.data)[0] for x in sink.letters}) == 200
        wait_empty(out)


def test_a_large_letter_passes(out):
    text = letter('large') + b''.join(b'.line %d of many\r\n' % i for i in range(200000))
    with Sink() as sink:
        route(out, sink)
        submit(out, text)
        wait_until(lambda: sink.letters, what='it arrives')
        assert sink.letters[0].data.endswith(text)
        wait_empty(out)
    out.run('verify')


def test_many_recipients_of_one_letter(out):
    to = ['r%d@elsewhere.example' % i for i in range(500)]
    with Sink() as sink:
        route(out, sink)
        submit(out, letter('crowd'), to)
        wait_until(lambda: sum(len(x.recipients) for x in sink.letters) == 500, what='all')
        assert sorted(r for x in sink.letters for r in x.recipients) == sorted(to)
        assert max(len(x.recipients) for x in sink.letters) <= 100
        wait_empty(out)


def test_a_dead_destination_is_tried_once_for_all_its_letters(out):
    out.run('config', 'set', 'relay.retry-first', '3600')
    with Sink(lambda s, at, argument: b'421 not today\r\n' if at == 'connect' else None) as sink:
        route(out, sink)
        with out.submission() as client:
            for i in range(30):
                client.sendmail(out.user, ['anna@elsewhere.example'], letter('dead-%d' % i))
        wait_until(lambda: len(queue(out)) == 30 and queue(out)[0]['answer'], what='the answer is noted')
        assert sink.connections == 1
        # A restart of relay knows it still.
        out.kill('relay')
        wait_until(lambda: out.pids().get('relay'), what='relay is back')
        time.sleep(1)
        assert sink.connections == 1
        sink.script = lambda s, at, argument: None
        out.run('queue', 'retry')
        wait_until(lambda: len(sink.letters) == 30, what='all arrive')
        wait_empty(out)


def test_a_delay_is_told_and_then_the_end(out):
    out.run('config', 'set', 'relay.notice-after', '1')
    with Sink(lambda s, at, argument: b'451 4.7.0 busy\r\n' if at == 'RCPT' else None) as sink:
        route(out, sink)
        submit(out, letter('late'))
        report = wait_report(out)
        assert report['Subject'] == 'Your letter is delayed'
        blocks = report.get_payload()[1].get_payload()
        assert blocks[1]['Action'] == 'delayed' and blocks[1]['Status'] == '4.7.0'
        assert blocks[1]['Will-Retry-Until']
        time.sleep(3)
        assert len(inbox(out)) == 1, 'the delay is told once'
        assert sink.letters == []
        out.run('config', 'set', 'relay.give-up', '60')
        assert len(queue(out)) == 1


def test_the_queue_is_held_released_and_dropped(out):
    with Sink(lambda s, at, argument: b'421 no\r\n' if at == 'connect' else None) as sink:
        route(out, sink)
        submit(out, letter('held'))
        submit(out, letter('dropped'))
        rows = wait_until(lambda: len(queue(out)) == 2 and queue(out), what='both are queued')
        assert [r['to'] for r in rows] == ['anna@elsewhere.example'] * 2
        out.run('queue', 'hold', rows[0]['letter'])
        out.run('queue', 'drop', rows[1]['letter'])
        assert [r['held'] for r in queue(out)] == [True]
        sink.script = lambda s, at, argument: None
        time.sleep(3)
        assert sink.letters == []
        assert 'held' in out.run('queue', 'show', rows[0]['letter']).stdout
        out.run('queue', 'release', rows[0]['letter'])
        wait_until(lambda: sink.letters, what='it is sent')
        wait_empty(out)
        assert b'out held' in sink.letters[0].data
        assert out.run('queue', 'show', rows[0]['letter'], check=False).returncode == 1
    out.run('verify')


def test_routes_are_chosen_by_domain(out):
    with Sink() as one, Sink() as rest:
        route(out, one, 'elsewhere.example')
        route(out, rest)
        assert len(out.json('route', 'list')) == 2
        submit(out, letter('routes'), ['a@elsewhere.example', 'b@other.example'])
        wait_until(lambda: one.letters and rest.letters, what='both arrive')
        assert one.letters[0].recipients == ['a@elsewhere.example']
        assert rest.letters[0].recipients == ['b@other.example']
        out.run('route', 'remove', 'elsewhere.example')
        submit(out, letter('routes-2'), ['a@elsewhere.example'])
        wait_until(lambda: len(rest.letters) == 2, what='the smarthost takes it')


def storm(appliance, count, accepted, names):
    with appliance.submission() as client:
        for i in range(count):
            name = '%s-%d' % (names, i)
            try:
                client.sendmail(appliance.user, ['anna@elsewhere.example'], letter(name))
                accepted.append(name)
            except smtplib.SMTPResponseException:
                pass


@pytest.mark.parametrize('victim', ['relay', 'store'])
def test_killing_in_a_storm_loses_nothing(out, victim):
    import threading
    accepted = []
    with Sink() as sink:
        route(out, sink)
        threads = [threading.Thread(target=storm, args=(out, 150, accepted, 's%d' % i)) for i in range(4)]
        for t in threads:
            t.start()
        for _ in range(8):
            time.sleep(0.2)
            out.kill(victim)
        for t in threads:
            t.join(120)
        assert len(accepted) > 100
        wait_until(lambda: not queue(out), seconds=90, what='the queue is empty')
        arrived = [re.search(rb'Message-ID: <(s\d-\d+)@', x.data)[1].decode() for x in sink.letters]
        assert set(accepted) <= set(arrived), 'a letter was lost'
    out.run('verify')
    assert inbox(out) == []
