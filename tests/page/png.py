"""A PNG made smaller: 256 colours at most, which is all that a page needs."""

import collections
import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunks(data):
    at = len(SIGNATURE)
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind, data[at + 8:at + 8 + size]
        at += size + 12


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def paeth(left, up, corner):
    guess = left + up - corner
    near = min((abs(guess - left), 0), (abs(guess - up), 1), (abs(guess - corner), 2))
    return (left, up, corner)[near[1]]


def lines_of(raw, width, height, depth):
    """The bytes of each line, without its filter."""
    stride, before = width * depth, bytearray(width * depth)
    for y in range(height):
        kind = raw[y * (stride + 1)]
        line = bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        if kind == 2:
            line = bytearray((a + b) & 255 for a, b in zip(line, before))
        elif kind:
            for i in range(stride):
                left = line[i - depth] if i >= depth else 0
                corner = before[i - depth] if i >= depth else 0
                guess = {1: left, 3: (left + before[i]) // 2, 4: paeth(left, before[i], corner)}[kind]
                line[i] = (line[i] + guess) & 255
        before = line
        yield line


def fewer(counts):
    """{colour: one of 256}: of colours that differ little the one that is there most."""
    for bits in range(8, 2, -1):
        kinds = {}
        for colour, count in counts.most_common():
            kinds.setdefault(tuple(part >> (8 - bits) for part in colour), colour)
        if len(kinds) <= 256:
            return {colour: kinds[tuple(part >> (8 - bits) for part in colour)] for colour in counts}
    raise ValueError("too many colours")


def shrink(data):
    parts = dict(chunks(data))
    width, height, bits, kind = struct.unpack(">IIBB", parts[b"IHDR"][:10])
    assert bits == 8 and kind in (2, 6)
    depth = 3 if kind == 2 else 4
    raw = zlib.decompress(b"".join(body for name, body in chunks(data) if name == b"IDAT"))
    lines = [list(zip(*(line[part::depth] for part in range(3)))) for line in lines_of(raw, width, height, depth)]
    colours = fewer(collections.Counter(colour for line in lines for colour in line))
    palette = sorted(set(colours.values()))
    index = {colour: palette.index(kept) for colour, kept in colours.items()}
    body = b"".join(b"\0" + bytes(index[colour] for colour in line) for line in lines)
    return (SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)) +
            chunk(b"PLTE", b"".join(bytes(colour) for colour in palette)) +
            chunk(b"IDAT", zlib.compress(body, 9)) + chunk(b"IEND", b""))
