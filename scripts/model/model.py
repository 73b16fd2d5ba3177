"""The guide's network: a small Llama (RMSNorm, rotary positions in adjacent pairs, SwiGLU, tied embeddings)."""
import math
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as functional


@dataclass(frozen=True)
class Shape:
    vocabulary: int
    width: int = 256
    layers: int = 3
    heads: int = 8
    hidden: int = 512
    context: int = 2048
    rope_base: float = 10000.0
    epsilon: float = 1e-5


class Norm(nn.Module):
    """RMSNorm. Only the last one learns its weight: the others would fold into the matrices that follow them."""

    def __init__(self, shape, learned=False):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape.width), requires_grad=learned)
        self.width, self.epsilon = shape.width, shape.epsilon

    def forward(self, x):
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        x = x * torch.rsqrt(length * length / self.width + self.epsilon)
        return x * self.weight if self.weight.requires_grad else x


def rotate(x, turns):
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * turns).flatten(-2)


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width, hidden = shape.width, shape.hidden
        self.heads = shape.heads
        self.attn_norm, self.ffn_norm = Norm(shape), Norm(shape)
        self.attn_q, self.attn_k, self.attn_v, self.attn_output = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.ffn_gate, self.ffn_up = (nn.Linear(width, hidden, bias=False) for _ in range(2))
        self.ffn_down = nn.Linear(hidden, width, bias=False)

    def forward(self, x, turns, mask, dropout):
        batch, length, width = x.shape
        h = self.attn_norm(x)
        q, k, v = (f(h).view(batch, length, self.heads, -1) for f in (self.attn_q, self.attn_k, self.attn_v))
        q, k, v = rotate(q, turns).transpose(1, 2), rotate(k, turns).permute(0, 2, 3, 1), v.transpose(1, 2)
        scores = q @ k / math.sqrt(width // self.heads) + mask
        attended = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width)
        x = x + self.attn_output(attended)
        h = self.ffn_norm(x)
        h = self.ffn_down(functional.silu(self.ffn_gate(h)) * self.ffn_up(h))
        return x + functional.dropout(h, dropout, self.training)


class Guide(nn.Module):
    def __init__(self, shape, dropout=0.0):
        super().__init__()
        self.shape, self.dropout = shape, dropout
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        nn.init.normal_(self.token_embd.weight, std=0.02)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = Norm(shape, learned=True)

    def hidden(self, tokens, positions):
        """Hidden states after the last norm; `tokens` and `positions` are (batch, length), padded on the right."""
        size = self.shape.width // self.shape.heads
        angles = positions[:, :, None, None].float() / self.shape.rope_base ** (torch.arange(0, size, 2) / size)
        turns = torch.polar(torch.ones_like(angles), angles)
        mask = torch.full((tokens.shape[1], tokens.shape[1]), -1e9).triu(1)
        x = functional.dropout(self.token_embd(tokens), self.dropout, self.training)
        for block in self.blk:
            x = block(x, turns, mask, self.dropout)
        return self.output_norm(x)

    def logits(self, hidden):
        return hidden @ self.token_embd.weight.T
