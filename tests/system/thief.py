"""What a thief does with a data folder: looks for words in every file, in clear and in the disguises that
text takes on its way to a disk (UTF-16, base64, hexadecimal, quoted-printable, zstd)."""
import base64
import ctypes
import ctypes.util
import quopri

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
UNPACKED_MAX = 1 << 20


def disguises(word):
    """Byte strings that betray the word."""
    plain = word.encode()
    yield 'plain', plain.lower()
    yield 'UTF-16LE', word.lower().encode('utf-16-le')
    yield 'UTF-16BE', word.lower().encode('utf-16-be')
    yield 'hexadecimal', plain.hex().encode()
    yield 'quoted-printable', quopri.encodestring(plain).strip().lower()
    yield 'reversed', plain[::-1].lower()
    for shift in range(3):      # base64 of the word at each of the three alignments, without its edges
        text = base64.b64encode(b'\0' * shift + plain)
        yield 'base64', text[(shift * 4 + 2) // 3:len(text) - 4].lower()


def unpacked(data):
    """What zstd makes of every place that looks like one of its frames."""
    name = ctypes.util.find_library('zstd') or 'libzstd.so.1'
    zstd = ctypes.CDLL(name)
    zstd.ZSTD_decompress.restype = ctypes.c_size_t
    zstd.ZSTD_decompress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    zstd.ZSTD_findFrameCompressedSize.restype = ctypes.c_size_t
    zstd.ZSTD_findFrameCompressedSize.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    zstd.ZSTD_isError.argtypes = [ctypes.c_size_t]
    out = ctypes.create_string_buffer(UNPACKED_MAX)
    at = data.find(ZSTD_MAGIC)
    while at >= 0:
        piece = data[at:at + UNPACKED_MAX]
        size = zstd.ZSTD_findFrameCompressedSize(piece, len(piece))
        if not zstd.ZSTD_isError(size):
            length = zstd.ZSTD_decompress(out, UNPACKED_MAX, piece, size)
            if not zstd.ZSTD_isError(length):
                yield out.raw[:length]
        at = data.find(ZSTD_MAGIC, at + 1)


def search(folder, words):
    """["file: word (disguise)"] of all that is found."""
    needles = [(word, how, needle) for word in words for how, needle in disguises(word)]
    found = []
    for path in sorted(p for p in folder.rglob('*') if p.is_file()):
        data = path.read_bytes()
        for place, text in [('', data.lower())] + [(' in zstd', u.lower()) for u in unpacked(data)]:
            found += ['%s: %s (%s%s)' % (path.name, word, how, place)
                      for word, how, needle in needles if needle in text]
        found += ['the name of %s: %s' % (path, word) for word in words if word.lower() in path.name.lower()]
    return found
