#!/usr/bin/python3
"""What one SMTP connection costs that goes on and on: 10,000 recipients of a letter, then 10,000 letters.

    long_session.py [COUNT]"""
import sys
import time

from common import Appliance, report
from smtp_memory import Sampler, rss_kib


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    with Appliance() as appliance:
        appliance.setup()
        appliance.run('config', 'set', 'smtp.max-recipients', '10000')
        appliance.run('alias', 'add', '@example.test', appliance.user)
        appliance.start()
        appliance.deliver(b'Subject: small\r\n\r\nwarm\r\n')
        time.sleep(0.5)
        pid = appliance.pids()['smtp'][0]
        rest = rss_kib(pid)
        client = appliance.line_client('smtp')
        client.greet()
        client.command('EHLO client.example')
        figures = {}
        for name, work in (('recipients', recipients), ('transactions', transactions)):
            sampler = Sampler([pid])
            sampler.start()
            begun = time.perf_counter()
            work(client, appliance.user, count)
            figures[name + '_per_s'] = count / (time.perf_counter() - begun)
            sampler.stopping = True
            sampler.join()
            figures[name + '_mb_above_rest'] = (sampler.most[pid] - rest) / 1024
        client.close()
        report('one long connection', appliance.top, count=count, **figures)


def recipients(client, user, count):
    client.command('MAIL FROM:<a@elsewhere.example>')
    for first in range(0, count, 100):
        client.send(b''.join(b'RCPT TO:<u%d@example.test>\r\n' % n for n in range(first, min(first + 100, count))))
        for _ in range(first, min(first + 100, count)):
            code, text = client.reply()
            assert code == 250, text
    finish(client)


def finish(client):
    client.send(b'DATA\r\n')
    code, text = client.reply()
    assert code == 354, text
    client.send(b'Subject: x\r\n\r\nhello\r\n.\r\n')
    code, text = client.reply()
    assert code == 250, text


def transactions(client, user, count):
    for _ in range(count):
        client.send(b'MAIL FROM:<a@elsewhere.example>\r\nRCPT TO:<%s>\r\n' % user.encode())
        for _ in range(2):
            code, text = client.reply()
            assert code == 250, text
        finish(client)


if __name__ == '__main__':
    main()
