"""Guessing passwords: counted by name and network across protocols, slowed down, refused for a while, kept over
a restart, explained and mended; and never a lock for who comes from where they came before."""
import socket
import time

import pytest

from letterlock import Appliance

# Loopback has networks enough: each /24 of 127/8 is another one here.
HOME, ATTACKER, CAFE = '127.0.7.1', '127.0.8.1', '127.0.9.1'


class Attempt:
    """One login in clear from a network of our choice; result() waits for the answer."""

    def __init__(self, appliance, protocol, source, user, password):
        self.sock = socket.create_connection(('127.0.0.1', appliance.ports[protocol]), 30, (source, 0))
        self.lines = self.sock.makefile('rb')
        self.lines.readline()
        if protocol == 'pop3':
            self.sock.sendall(b'USER %s\r\n' % user.encode())
            self.lines.readline()
            self.sock.sendall(b'PASS %s\r\n' % password.encode())
        else:
            self.sock.sendall(b'a LOGIN %s %s\r\n' % (user.encode(), password.encode()))

    def result(self):
        try:
            return self.lines.readline().decode().strip()
        finally:
            self.sock.close()


def log_in(appliance, source, user, password, protocol='pop3'):
    answer = Attempt(appliance, protocol, source, user, password).result()
    return answer.startswith(('+OK', 'a OK')), answer


def guess(appliance, source, user, count):
    """Wrong passwords, all at once: each answer is late, all together are not. By app password's form, which is
    judged without Argon2id."""
    wrong = 'abcd-' * 5 + 'abcdef'
    attempts = [Attempt(appliance, ('pop3', 'imap')[i % 2], source, user, wrong) for i in range(count)]
    return [a.result() for a in attempts]


@pytest.fixture(scope='module')
def guarded():
    with Appliance() as appliance:
        appliance.setup()
        appliance.start()
        appliance.run('config', 'set', 'login.cleartext', '127.0.0.0/8')
        appliance.run('config', 'set', 'login.trusted', '')
        yield appliance


def test_a_network_that_guesses_is_refused_and_nobody_else(guarded):
    user, password = guarded.add_account()
    stranger, stranger_password = guarded.add_account()
    assert log_in(guarded, HOME, user, password)[0]
    assert log_in(guarded, ATTACKER, stranger, stranger_password)[0], 'before: the network is as good as any'
    for name in ('a', 'b', 'c', user):    # spread over names: it is the network that counts
        answers = guess(guarded, ATTACKER, name if '@' in name else name + '@example.test', 6)
        assert len({a for a in answers if a.startswith('-')}) == 1
    shown = guarded.json('why-blocked', ATTACKER)
    assert shown['refused'] and shown['failures'] >= 20, shown
    assert shown['network'] == '127.0.8.0/24'
    assert 'unblock' in guarded.run('why-blocked', ATTACKER).stdout
    right, answer = log_in(guarded, ATTACKER, user, password)
    assert not right and answer == '-ERR [AUTH] user name or password is wrong'
    assert log_in(guarded, HOME, user, password)[0]
    assert log_in(guarded, CAFE, user, password)[0], 'a network that is new to it and has done nothing'
    assert log_in(guarded, ATTACKER, stranger, stranger_password)[0], 'it had logged in from there before'


def test_failures_outlive_a_restart_and_unblock_mends(guarded):
    user, password = guarded.add_account()
    source = '127.0.20.1'
    guess(guarded, source, 'x@example.test', 21)
    assert guarded.json('why-blocked', source)['refused']
    guarded.restart()
    before = guarded.json('why-blocked', source)
    assert before['refused'], before
    assert not log_in(guarded, source, user, password)[0]
    assert guarded.json('unblock', source) == {'forgotten': True}
    assert log_in(guarded, source, user, password)[0]
    assert guarded.json('why-blocked', source)['refused'] is False
    guarded.restart()
    assert guarded.json('why-blocked', source)['failures'] == 0
    assert guarded.json('unblock', source) == {'forgotten': False}


def test_a_name_that_is_guessed_from_everywhere_still_opens_at_home(guarded):
    user, password = guarded.add_account()
    assert log_in(guarded, HOME, user, password)[0]
    for i in range(4):
        guess(guarded, '127.0.%d.1' % (40 + i), user, 13)
    shown = guarded.json('why-blocked', user)
    assert shown['refused'] and shown['failures'] >= 50, shown
    right, locked = log_in(guarded, CAFE, user, password)
    assert not right
    _, wrong = log_in(guarded, CAFE, user, 'a-wrong-password')
    _, unknown = log_in(guarded, '127.0.11.1', 'nobody@example.test', password)
    assert locked == wrong == unknown
    assert log_in(guarded, HOME, user, password)[0]
    assert guarded.json('why-blocked', user)['failures'] == 0, 'who logs in properly forgives'


def test_a_few_errors_of_typing_cost_nothing(guarded):
    user, password = guarded.add_account()
    begun = time.monotonic()
    guess(guarded, '127.0.60.1', user, 3)
    assert log_in(guarded, '127.0.60.1', user, password)[0]
    assert time.monotonic() - begun < 5
    assert guarded.json('why-blocked', user) == {'address': user, 'failures': 0, 'refused': False}


def test_a_trusted_network_is_never_refused_itself(guarded):
    user, password = guarded.add_account()
    guarded.run('config', 'set', 'login.trusted', '127.0.70.0/24')
    try:
        for name in ('p', 'q', 'r'):
            guess(guarded, '127.0.70.1', name + '@example.test', 8)
        assert not guarded.json('why-blocked', '127.0.70.1')['refused']
        assert log_in(guarded, '127.0.70.1', user, password)[0]
    finally:
        guarded.run('config', 'set', 'login.trusted', '')


@pytest.mark.parametrize('name', ['nonsense', '', '10.0.0', 'a@b@c'])
def test_what_is_neither_address_nor_ip_is_told_so(guarded, name):
    result = guarded.run('why-blocked', name, check=False)
    assert result.returncode in (1, 2) and result.stderr
