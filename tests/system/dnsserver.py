"""An authority for every name there is, on a loopback port: answers over UDP from a table."""
import ipaddress
import socket
import struct
import threading

TYPES = {1: 'A', 15: 'MX', 28: 'AAAA'}
NXDOMAIN, SERVFAIL = 3, 2


def encode_name(name):
    return b''.join(bytes([len(l)]) + l.encode() for l in name.split('.') if l) + b'\0'


def encode(kind, value):
    if kind == 'MX':
        return struct.pack('>H', value[0]) + encode_name(value[1])
    return ipaddress.ip_address(value).packed


class DnsServer:
    """zone: name -> {type: [values]}, or an rcode, or None: no answer at all."""

    def __init__(self, zone):
        self.zone = zone
        self.questions = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.socket.settimeout(0.1)
        self.port = self.socket.getsockname()[1]
        self.is_stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.is_stopping:
            try:
                packet, peer = self.socket.recvfrom(4096)
            except (TimeoutError, socket.timeout):
                continue
            except OSError:
                return
            answer = self._answer(packet)
            if answer:
                self.socket.sendto(answer, peer)

    def _answer(self, packet):
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
            at += packet[at] + 1
        question = packet[12:at + 5]
        name, kind = '.'.join(labels), TYPES.get(struct.unpack('>H', packet[at + 1:at + 3])[0])
        self.questions.append((name, kind))
        found = self.zone.get(name, NXDOMAIN)
        if found is None:
            return None
        rcode, records = (found, []) if isinstance(found, int) else (0, found.get(kind, []))
        type_bytes = packet[at + 1:at + 3]
        body = b''.join(b'\xc0\x0c' + type_bytes + b'\0\1\0\0\0\x3c' + struct.pack('>H', len(data)) + data
                        for data in (encode(kind, r) for r in records))
        flags = 0x8180 | rcode
        return packet[:2] + struct.pack('>HHHHH', flags, 1, len(records), 0, 0) + question + body

    def stop(self):
        self.is_stopping = True
        self.thread.join(5)
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
