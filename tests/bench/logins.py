#!/usr/bin/python3
"""Handshakes and whole logins a second over IMAPS, by an app password and by the account's; clients are processes.

    logins.py [CLIENTS] [SECONDS]"""
import multiprocessing
import socket
import ssl
import sys
import time

from common import Appliance, report


def client(port, cafile, login, seconds, out):
    context = ssl.create_default_context(cafile=cafile)
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        raw = socket.create_connection(('127.0.0.1', port), 20)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock = context.wrap_socket(raw, server_hostname='localhost')
        assert sock.recv(500).startswith(b'* OK')
        if login:
            sock.sendall(b'a LOGIN %s "%s"\r\n' % login)
            got = b''
            while b'a OK' not in got:
                more = sock.recv(4096)
                assert more and b'a NO' not in got, got
                got += more
        sock.close()
        count += 1
    out.put(count)


def rate(appliance, clients, seconds, login):
    out = multiprocessing.Queue()
    work = [multiprocessing.Process(target=client, args=(appliance.ports['imaps'], str(appliance.certificate_path), login, seconds, out))
            for _ in range(clients)]
    for w in work:
        w.start()
    total = sum(out.get() for _ in work)
    for w in work:
        w.join()
    return total / seconds


def main():
    clients = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5
    with Appliance() as appliance:
        appliance.setup()
        appliance.start()
        app = appliance.json('app-password', 'add', appliance.user, '--label', 'bench', '--scope', 'imap', '--password-stdin',
                             stdin=appliance.password + '\n')
        app = app['app_password'].encode()
        user = appliance.user.encode()
        keep = appliance.imap()     # the account's process stays, as it does while somebody is logged in
        report('logins', appliance.top, clients=clients, handshakes_per_s=rate(appliance, clients, seconds, None),
               app_password_per_s=rate(appliance, clients, seconds, (user, app)),
               main_password_per_s=rate(appliance, clients, seconds, (user, appliance.password.encode())))
        keep.logout()


if __name__ == '__main__':
    main()
