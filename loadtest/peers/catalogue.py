"""The measured servers, in the order of the tables."""

from servers.bentoml import BentoMl
from servers.fastapi import FastApi
from servers.litserve import LitServe
from servers.mlserver import MlServer
from servers.ray import Ray
from servers.stillhouse import Stillhouse
from servers.triton import Triton

PEERS = (FastApi, LitServe, BentoMl, Ray, MlServer, Triton)


def keys():
    return [peer.key for peer in PEERS]


def chosen(names, program):
    """Stillhouse comes first, since all others are compared with it."""
    return [Stillhouse(program), *(peer() for peer in PEERS if peer.key in names)]
