#!/usr/bin/python3
"""How long the disk takes to append 4 KiB durably.   fsync.py [FOLDER]"""
import sys
import tempfile

from common import fsync_ms, report

if __name__ == '__main__':
    folder = sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir()
    median, mean = fsync_ms(folder, 1000)
    report('append 4 KiB and fdatasync', folder, median_ms=median, mean_ms=mean)
