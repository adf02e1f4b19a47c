"""Where letters go: mail exchangers by the DNS, TLS and logins of routes, a queue of many, orders by hand."""
import base64
import ssl
import subprocess

import pytest

from dnsserver import SERVFAIL, DnsServer
from letterlock import Appliance, wait_until
from smtpsink import Sink
from test_relay import inbox, letter, queue, route, submit, wait_empty, wait_report

ADDRESS = {'A': ['127.0.0.1']}


@pytest.fixture
def world(binary):
    """An appliance that asks our DNS and finds other servers on our port: (start, zone)."""
    zone = {}
    with Sink() as sink, DnsServer(zone) as dns, Appliance() as appliance:
        appliance.setup()
        for name, value in (('relay.retry-first', '1'), ('relay.retry-longest', '2'),
                            ('relay.port', str(sink.port)), ('dns.servers', '127.0.0.1@%d' % dns.port)):
            appliance.run('config', 'set', name, value)
        appliance.start()
        yield appliance, zone, sink


def test_a_domain_is_found_by_its_mail_exchangers(world):
    appliance, zone, sink = world
    zone['elsewhere.example'] = {'MX': [(20, 'b.elsewhere.example'), (10, 'a.elsewhere.example')]}
    zone['a.elsewhere.example'] = {'A': ['127.9.9.9']}       # nobody is there
    zone['b.elsewhere.example'] = ADDRESS
    submit(appliance, letter('mx'))
    wait_until(lambda: sink.letters, what='the second exchanger takes it')
    wait_empty(appliance)


def test_a_domain_without_mx_is_its_own_exchanger(world):
    appliance, zone, sink = world
    zone['elsewhere.example'] = ADDRESS
    submit(appliance, letter('implicit'))
    wait_until(lambda: sink.letters, what='it arrives')


def test_a_null_mx_takes_nothing(world):
    appliance, zone, sink = world
    zone['elsewhere.example'] = {'MX': [(0, '')], 'A': ['127.0.0.1']}
    submit(appliance, letter('null'))
    report = wait_report(appliance)
    assert report.get_payload()[1].get_payload()[1]['Status'] == '5.1.10'
    assert sink.connections == 0


def test_a_domain_that_is_not_there_comes_back_at_once(world):
    appliance, zone, sink = world
    submit(appliance, letter('nowhere'))
    report = wait_report(appliance)
    assert report.get_payload()[1].get_payload()[1]['Status'] == '5.1.2'
    assert 'there is no domain elsewhere.example' in report.get_payload()[0].get_content()
    wait_empty(appliance)


def test_a_dns_that_fails_is_asked_again(world):
    appliance, zone, sink = world
    zone['elsewhere.example'] = SERVFAIL
    submit(appliance, letter('servfail'))
    wait_until(lambda: queue(appliance)[0]['answer'], what='it is put off')
    zone['elsewhere.example'] = ADDRESS
    wait_until(lambda: sink.letters, seconds=60, what='it arrives')
    assert inbox(appliance) == []


def test_a_domain_that_leads_to_us_is_a_loop(world):
    appliance, zone, sink = world
    sink.host = 'localhost'          # our own name
    zone['elsewhere.example'] = ADDRESS
    submit(appliance, letter('loop'))
    assert wait_report(appliance).get_payload()[1].get_payload()[1]['Status'] == '5.4.6'


def test_a_route_may_name_a_host(world):
    appliance, zone, sink = world
    zone['smart.example'] = ADDRESS
    appliance.run('route', 'add', '*', 'smart.example:%d' % sink.port)
    submit(appliance, letter('named'))
    wait_until(lambda: sink.letters, what='it arrives')


@pytest.fixture(scope='module')
def server_context(tmp_path_factory):
    folder = tmp_path_factory.mktemp('tls')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
                    '-keyout', str(folder / 'key.pem'), '-out', str(folder / 'cert.pem'), '-days', '2', '-subj',
                    '/CN=sink.example'], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / 'cert.pem', folder / 'key.pem')
    return context


def test_tls_is_used_where_it_is_offered(world, server_context):
    appliance = world[0]
    with Sink(tls_context=server_context) as sink:
        route(appliance, sink)
        submit(appliance, letter('tls'))
        wait_until(lambda: sink.letters, what='it arrives')
        assert sink.letters[0].is_tls
        # EHLO is said anew inside.
        assert [step for _, step, _ in sink.commands][:4] == ['connect', 'EHLO', 'STARTTLS', 'EHLO']


def test_tls_that_fails_is_left_out_where_it_may_be(world, server_context):
    appliance = world[0]
    broken = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)      # without a certificate no handshake ends well
    with Sink(tls_context=broken) as sink:
        route(appliance, sink)
        submit(appliance, letter('clear'))
        wait_until(lambda: sink.letters, what='it arrives in clear')
        assert not sink.letters[0].is_tls


@pytest.mark.parametrize('mode', ['must', 'verify'])
def test_no_clear_text_where_tls_is_demanded(world, mode):
    appliance = world[0]
    with Sink() as sink:
        route(appliance, sink, tls=mode)
        submit(appliance, letter('demand'))
        wait_until(lambda: 'TLS' in queue(appliance)[0]['answer'], what='the reason is told')
        assert sink.letters == [] and not any(step == 'MAIL' for _, step, _ in sink.commands)


def test_a_wrong_certificate_ends_a_verified_route(world, server_context):
    appliance = world[0]
    with Sink(tls_context=server_context) as sink:
        route(appliance, sink, tls='verify')
        submit(appliance, letter('verify'))
        wait_until(lambda: 'certificate' in queue(appliance)[0]['answer'], what='the reason is told')
        assert sink.letters == []


def test_what_is_said_before_tls_is_not_believed(world, server_context):
    appliance = world[0]
    state = []

    def script(session, step, argument):
        if step == 'STARTTLS' and not state:
            state.append(1)
            return b'220 go\r\n250 injected\r\n'
        return None
    with Sink(script, tls_context=server_context) as sink:
        route(appliance, sink, tls='must')
        submit(appliance, letter('injected'))
        wait_until(lambda: sink.letters, what='the next try, without injection, arrives')
        assert sink.connections >= 2


@pytest.mark.parametrize('mechanisms', ['AUTH PLAIN LOGIN', 'AUTH LOGIN'])
def test_a_route_logs_in_over_tls_alone(world, server_context, mechanisms):
    appliance = world[0]

    def script(session, step, argument):
        if step == 'AUTH' and argument == 'LOGIN':
            session.say('334 VXNlcm5hbWU6')
            user = base64.b64decode(session.line())
            session.say('334 UGFzc3dvcmQ6')
            password = base64.b64decode(session.line())
            argument = 'PLAIN ' + base64.b64encode(b'\0' + user + b'\0' + password).decode()
        if step == 'AUTH':
            assert session.is_tls
            good = base64.b64decode(argument.split()[1]) == b'\0me@smart.example\0the secret'
            return b'235 yes\r\n' if good else b'535 5.7.8 no\r\n'
        return None
    with Sink(script, capabilities=['PIPELINING', mechanisms], tls_context=server_context) as sink:
        add = ('route', 'add', '*', '127.0.0.1:%d' % sink.port, '--tls', 'must', '--user', 'me@smart.example',
               '--password-stdin')
        appliance.run(*add, stdin='wrong\n')
        submit(appliance, letter('auth'))
        wait_until(lambda: '535 5.7.8' in queue(appliance)[0]['answer'], what='the refusal is told')
        appliance.run(*add, stdin='the secret\n')
        wait_until(lambda: sink.letters, what='it arrives')
        assert 'the secret' not in appliance.run('route', 'list').stdout
        for name in ('mail.db', 'mail.db-wal'):
            path = appliance.data / name
            assert not path.exists() or b'the secret' not in path.read_bytes()
    assert 'the secret' not in appliance.log_text()


def test_a_password_is_not_sent_in_clear(world):
    appliance = world[0]
    with Sink(capabilities=['AUTH PLAIN']) as sink:
        appliance.run('route', 'add', '*', '127.0.0.1:%d' % sink.port, '--user', 'me', '--password-stdin',
                      stdin='the secret\n')
        submit(appliance, letter('clear'))
        wait_until(lambda: 'password' in queue(appliance)[0]['answer'], what='the reason is told')
        assert not any(step == 'AUTH' for _, step, _ in sink.commands)


def test_an_account_that_sends_too_much_is_braked(world):
    appliance, _, sink = world
    import smtplib
    other, _ = appliance.add_account()
    appliance.run('config', 'set', 'relay.max-per-hour', '3')
    route(appliance, sink)
    with appliance.submission() as client:
        for i in range(3):
            client.sendmail(appliance.user, ['anna@elsewhere.example'], letter('brake-%d' % i))
        with pytest.raises(smtplib.SMTPDataError):
            client.sendmail(appliance.user, ['anna@elsewhere.example'], letter('brake-3'))
    with appliance.submission(other) as client:
        client.sendmail(other, ['anna@elsewhere.example'],
                        letter('other').replace(b'owner@example.test', other.encode(), 1))
    wait_until(lambda: len(sink.letters) == 4, what='the others are sent')


def test_letters_that_need_utf8_fail_where_it_is_not_known(world):
    appliance = world[0]
    with Sink(capabilities=['PIPELINING', '8BITMIME']) as sink:
        route(appliance, sink)
        with appliance.submission() as client:
            client.ehlo()
            assert client.docmd('MAIL', 'FROM:<%s> SMTPUTF8' % appliance.user)[0] == 250
            client.sock.sendall('RCPT TO:<jürgen@elsewhere.example>\r\n'.encode())
            assert client.getreply()[0] == 250
            assert client.data(letter('utf8'))[0] == 250
        report = wait_report(appliance)
        assert sink.letters == []
        assert report.get_payload()[1].get_content_type() == 'message/global-delivery-status'
    wait_empty(appliance)


def test_a_letter_larger_than_the_other_takes_comes_back(world):
    appliance = world[0]
    with Sink(capabilities=['SIZE 1000']) as sink:
        route(appliance, sink)
        submit(appliance, letter('size') + b'x' * 2000 + b'\r\n')
        assert wait_report(appliance).get_payload()[1].get_payload()[1]['Status'] == '5.3.4'
        assert sink.letters == []


def test_routes_that_make_no_sense_are_refused(world):
    appliance = world[0]
    for arguments in (('x y', '127.0.0.1:25'), ('*', ':25'), ('*', 'a:99999'), ('*', '127.0.0.1:25', '--tls', 'x')):
        result = appliance.run('route', 'add', *arguments, check=False)
        assert result.returncode == 1, arguments
    assert appliance.run('route', 'remove', '*', check=False).returncode == 1
    for letter_name in ('zz', '0', '7fffffffffffffff', 'ffff'):
        assert appliance.run('queue', 'drop', letter_name, check=False).returncode == 1


def test_relay_check_says_how_far_it_came(world, server_context):
    appliance, zone, plain = world
    assert 'no smarthost' in appliance.run('relay', 'check', check=False).stderr
    zone['elsewhere.example'] = ADDRESS
    assert 'takes letters: without TLS' in appliance.run('relay', 'check', 'elsewhere.example').stdout
    result = appliance.run('relay', 'check', 'nowhere.example', check=False)
    assert result.returncode == 1 and 'there is no domain' in result.stderr
    with Sink(tls_context=server_context) as sink:
        route(appliance, sink)
        assert appliance.json('relay', 'check')['tls'].startswith('TLS1.3')
        sink.script = lambda session, step, argument: b'554 go away\r\n' if step == 'connect' else None
        result = appliance.run('relay', 'check', check=False)
        assert result.returncode == 1 and '554 go away' in result.stderr
    assert plain.letters == [] and queue(appliance) == []
