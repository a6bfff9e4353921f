"""CRC-32C (Castagnoli), eight bytes at a time.

Source: RFC 3720, section B.4; M. Kounavis and F. Berry (2005), "A systematic approach to building high performance
software-based CRC generators" (slicing by 8).
"""

from __future__ import annotations

import numpy as np

from sparkdl.kernel import njit


def _tables() -> np.ndarray:
    first = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = np.where(first & 1, (first >> 1) ^ np.uint32(0x82F63B78), first >> 1).astype(np.uint32)
    tables = [first]
    for _ in range(7):
        tables.append((tables[-1] >> 8) ^ first[tables[-1] & 0xFF])
    return np.stack(tables)


_TABLES = _tables()


def crc32c(data: bytes) -> int:
    """CRC-32C of ``data``."""
    return int(_crc(np.frombuffer(data, np.uint8), _TABLES))


@njit
def _crc(data, t):
    crc, byte, at = np.uint32(0xFFFFFFFF), np.uint32(0xFF), 0
    while at + 8 <= data.shape[0]:
        low = crc ^ (
            np.uint32(data[at])
            | np.uint32(data[at + 1]) << np.uint32(8)
            | np.uint32(data[at + 2]) << np.uint32(16)
            | np.uint32(data[at + 3]) << np.uint32(24)
        )
        crc = (
            t[7, low & byte]
            ^ t[6, (low >> np.uint32(8)) & byte]
            ^ t[5, (low >> np.uint32(16)) & byte]
            ^ t[4, low >> np.uint32(24)]
            ^ t[3, data[at + 4]]
            ^ t[2, data[at + 5]]
            ^ t[1, data[at + 6]]
            ^ t[0, data[at + 7]]
        )
        at += 8
    while at < data.shape[0]:
        crc = t[0, (crc ^ np.uint32(data[at])) & byte] ^ (crc >> np.uint32(8))
        at += 1
    return crc ^ np.uint32(0xFFFFFFFF)
