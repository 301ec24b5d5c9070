"""Indices of many files in shards: written by `vqcodec tokens`, read back as arrays."""

from vqcodec.tokens.dataset import TokenDataset
from vqcodec.tokens.entry import Tokens
from vqcodec.tokens.making import decode, encode_file
from vqcodec.tokens.shards import read

__all__ = ["TokenDataset", "Tokens", "decode", "encode_file", "read"]
