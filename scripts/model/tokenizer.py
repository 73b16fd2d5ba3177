"""Byte-level BPE exactly as llama.cpp does it for tokenizer.ggml.model = gpt2, tokenizer.ggml.pre = gpt-2."""
import unicodedata
from collections import Counter

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CONTRACTIONS = ("'re", "'ve", "'ll", "'s", "'t", "'m", "'d")


def byte_alphabet():
    """GPT-2's printable stand-ins for the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(spare)) for b in range(256)]


ALPHABET = byte_alphabet()


def kind_of(char):
    if char.isspace():
        return "space"
    return {"L": "letter", "N": "number"}.get(unicodedata.category(char)[0], "other")


def split(text):
    """GPT-2's pattern: contractions, then runs of letters, numbers or signs with one leading space, then spaces."""
    pieces, i = [], 0
    while i < len(text):
        contraction = next((c for c in CONTRACTIONS if text.startswith(c, i)), None)
        if contraction:
            pieces.append(contraction)
            i += len(contraction)
            continue
        start = i + 1 if text[i] == " " and i + 1 < len(text) and kind_of(text[i + 1]) != "space" else i
        kind, end = kind_of(text[start]), start
        while end < len(text) and kind_of(text[end]) == kind:
            end += 1
        if kind == "space" and end < len(text) and end - start > 1:
            end -= 1  # the last space of a run belongs to the word after it
        pieces.append(text[i:end])
        i = end
    return pieces


def to_symbols(piece):
    return tuple(ALPHABET[b] for b in piece.encode())


def train(texts, merges_wanted):
    """Plain BPE training; ties are broken by the pair itself so that the result is the same everywhere."""
    counts = Counter(to_symbols(piece) for text in texts for piece in split(text))
    words = {word: list(word) for word in counts}
    merges = []
    while len(merges) < merges_wanted:
        pairs = Counter()
        for word, symbols in words.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += counts[word]
        best = max(pairs, key=lambda p: (pairs[p], p), default=None)
        if best is None or pairs[best] < 2:
            break
        merges.append(best)
        for word, symbols in words.items():
            if len(symbols) > 1 and best[0] in symbols:
                words[word] = merge(symbols, best)
    return merges


def merge(symbols, pair):
    merged, i = [], 0
    while i < len(symbols):
        if i + 1 < len(symbols) and (symbols[i], symbols[i + 1]) == pair:
            merged.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return merged


class Tokenizer:
    def __init__(self, merges):
        self.merges = merges
        self.tokens = ALPHABET + ["".join(m) for m in merges]
        self.first_special = len(self.tokens)
        self.tokens += SPECIAL
        self.end_of_text, self.im_start, self.im_end = range(self.first_special, len(self.tokens))
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self._bytes = {char: byte for byte, char in enumerate(ALPHABET)}
        self._cache = {}

    def encode(self, text, drop=None):
        """Token ids of plain text. `drop()` may veto a merge (BPE dropout), which teaches other segmentations."""
        ids = []
        for piece in split(text):
            if drop is not None:
                ids += self._encode_piece(piece, drop)
            else:
                if piece not in self._cache:
                    self._cache[piece] = self._encode_piece(piece, None)
                ids += self._cache[piece]
        return ids

    def _encode_piece(self, piece, drop):
        symbols = list(to_symbols(piece))
        while len(symbols) > 1:
            ranked = [(self._ranks[p], p) for p in zip(symbols, symbols[1:])
                      if p in self._ranks and not (drop and drop())]
            if not ranked:
                break
            symbols = merge(symbols, min(ranked)[1])
        return [self._ids[s] for s in symbols]

    def decode(self, ids):
        chars = "".join(self.tokens[i] for i in ids if i < self.first_special)
        return bytes(self._bytes[c] for c in chars).decode(errors="replace")

    def prompt(self, messages, encode=None):
        """ChatML, as the template in the model's metadata renders it, up to the start of the answer."""
        encode = encode or (lambda role, text: self.encode(text))
        ids = []
        for role, content in messages:
            ids += [self.im_start, *self.encode(role + "\n"), *encode(role, content), self.im_end, *self.encode("\n")]
        return ids + [self.im_start, *self.encode("assistant\n")]
