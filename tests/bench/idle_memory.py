#!/usr/bin/python3
"""What an idle IMAP connection with TLS costs: N logged-in sessions in IDLE, over ten accounts.

    idle_memory.py [N] [imaps|imap]        imap: without TLS, by login.cleartext"""
import sys
import time

from common import Appliance, memory_of, more_descriptors, report

ACCOUNTS = 10


def open_idle(appliance, listener, user, password):
    client = appliance.line_client(listener)
    client.greet()
    line = client.imap_command('LOGIN %s "%s"' % (user, password))[1]
    assert line.startswith('x1 OK'), line
    assert client.imap_command('SELECT INBOX', 'x2')[1].startswith('x2 OK')
    client.send_line('x3 IDLE')
    assert client.read_line().startswith('+')
    return client


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    listener = sys.argv[2] if len(sys.argv) > 2 else 'imaps'
    more_descriptors(count + 1000)
    with Appliance() as appliance:
        appliance.setup()
        appliance.run('config', 'set', 'login.cleartext', '127.0.0.0/8')
        appliance.start()
        accounts = [appliance.add_account() for _ in range(ACCOUNTS)]
        clients = [open_idle(appliance, listener, *account) for account in accounts]
        time.sleep(1)
        before = memory_of(appliance)
        begun = time.perf_counter()
        clients += [open_idle(appliance, listener, *accounts[n % ACCOUNTS]) for n in range(count)]
        seconds = time.perf_counter() - begun
        time.sleep(2)
        after = memory_of(appliance)
        each = {role: (after[role]['pss'] - before[role]['pss']) / count for role in after if role in before}
        report('idle %s connection' % listener, appliance.top, connections=count, kib_each=each['all'],
               logins_per_s=count / seconds, **{role + '_kib_each': v for role, v in each.items() if role != 'all'})
        for client in clients:
            client.close()


if __name__ == '__main__':
    main()
