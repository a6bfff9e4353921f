"""What one step of `AllReduce` moves, computed by hand: the counters must agree to the byte."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sparkdl.blockmanager import codecs
from sparkdl.optim.exchange.member import Member

HEADER = 24  # bytes: sums of loss, weight and clock, float64


class Bytes(NamedTuple):
    """Bytes per step that one team (executor) puts into blocks, and that it fetches from other executors."""

    put: int
    fetched: int


def bytes_per_step(
    member: Member, elements: int, codec: str = "none", weight_codec: str = "none", dtype: np.dtype | type = np.float32
) -> Bytes:
    """Bytes per step of ``member``'s team ``E``.

    With ``n_o`` elements of the slice of owner ``o``, ``S_F`` whole subtrees held by team ``F``, and ``c`` and ``c'``
    bytes per encoded gradient and weight::

        put      =  sum over o outside E  S_E (c n_o + 24)           its row sums, and their headers, to every owner
                  + sum over o in E       c' n_o                     its new slices, once for all
        fetched  =  sum over o in E, F other than E  S_F (c n_o + 24)
                  + sum over o outside E  c' n_o

    With K tasks alone in their executors, K a power of two and codec "none", ``S_F = 1`` and ``n_o = D / K``; then
    put is ``4D (K-1)/K + 4D/K + 24 (K-1) = 4D + 24 (K-1)`` and fetched ``8D (K-1)/K + 24 (K-1)``. A single team
    moves nothing.
    """
    if len(member.teams) == 1:
        return Bytes(0, 0)
    gradient, weight = codecs.make(codec), codecs.make(weight_codec)
    dtype = np.dtype(dtype)
    n = {rank: span.stop - span.start for rank, span in member.bounds(elements).items()}
    s = [len(member.team_subtrees(team)) for team in range(len(member.teams))]
    own, outside = member.mates, member.outside(member.team)

    def gradients(subtrees: int, owner: int) -> int:
        return subtrees * (gradient.nbytes(n[owner], dtype) + HEADER)

    others = sum(s) - s[member.team]
    return Bytes(
        put=sum(gradients(s[member.team], o) for o in outside) + sum(weight.nbytes(n[o], dtype) for o in own),
        fetched=sum(gradients(others, o) for o in own) + sum(weight.nbytes(n[o], dtype) for o in outside),
    )
