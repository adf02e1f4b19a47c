#!/usr/bin/python3
"""From the start of `serve` to the line "ready", and the memory at rest of all roles.   start.py [RUNS]"""
import sys
import time

from common import Appliance, memory_of, report

if __name__ == '__main__':
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    with Appliance() as appliance:
        appliance.setup()
        times = []
        for _ in range(runs):
            begun = time.perf_counter()
            appliance.start()
            times.append((time.perf_counter() - begun) * 1000)
            client = appliance.line_client('imap')
            client.greet()
            client.close()
            at_rest = memory_of(appliance)
            appliance.stop()
        times.sort()
        report('start to ready', appliance.top, median_ms=times[runs // 2], worst_ms=times[-1], runs=runs)
        report('memory at rest, all roles', appliance.top, pss_kib=at_rest['all']['pss'],
               **{role + '_pss_kib': m['pss'] for role, m in at_rest.items() if role != 'all'})
