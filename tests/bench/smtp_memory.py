#!/usr/bin/python3
"""The memory of the smtp role above rest while a large letter comes in.   smtp_memory.py [MEGABYTES]"""
import sys
import threading
import time
from pathlib import Path

from common import Appliance, report


def rss_kib(pid):
    for line in Path('/proc/%d/status' % pid).read_text().splitlines():
        if line.startswith('VmRSS'):
            return int(line.split()[1])
    return 0


class Sampler(threading.Thread):
    def __init__(self, pids):
        super().__init__(daemon=True)
        self.pids, self.most, self.stopping = pids, {pid: 0 for pid in pids}, False

    def run(self):
        while not self.stopping:
            for pid in self.pids:
                self.most[pid] = max(self.most[pid], rss_kib(pid))
            time.sleep(0.002)


def main():
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    line = bytes(range(33, 127)) * 8 + b'\r\n'
    letter = b'From: a@elsewhere.example\r\nSubject: large\r\n\r\n' + line * (megabytes * 1000000 // len(line))
    with Appliance() as appliance:
        appliance.setup()
        appliance.start()
        appliance.deliver(b'Subject: small\r\n\r\nwarm\r\n')
        time.sleep(0.5)
        roles = {role: pids for role, pids in appliance.pids().items() if role in ('smtp', 'store')}
        rest = {pid: rss_kib(pid) for pids in roles.values() for pid in pids}
        sampler = Sampler(list(rest))
        sampler.start()
        begun = time.perf_counter()
        appliance.deliver(letter)
        seconds = time.perf_counter() - begun
        sampler.stopping = True
        sampler.join()
        above = {role: max(sampler.most[pid] - rest[pid] for pid in pids) for role, pids in roles.items()}
        report('memory above rest while a letter comes in', appliance.top, letter_mb=len(letter) / 1e6,
               smtp_mb_above_rest=above['smtp'] / 1024, store_mb_above_rest=above['store'] / 1024,
               smtp_mb_at_rest=max(rest[pid] for pid in roles['smtp']) / 1024, mb_per_s=len(letter) / 1e6 / seconds)


if __name__ == '__main__':
    main()
