"""Who is measured, in the order of the tables."""

from servers.fastapi import FastApi
from servers.stillhouse import Stillhouse

OURS = Stillhouse.key
PEERS = (FastApi,)


def keys():
    return [OURS, *(peer.key for peer in PEERS)]


def chosen(names, program):
    """Ours always comes first: everything is compared with it."""
    return [Stillhouse(program), *(peer() for peer in PEERS if peer.key in names)]
