"""Asks the held-back questions and counts how many get their key sentence under greedy decoding."""
from dataclasses import dataclass

import torch

GUIDE = [("system", "You are the Cocoon guide.")]
TARGET = 0.80


@dataclass
class Case:
    messages: list[tuple[str, str]]
    answer: str
    key_sentence: str


@torch.no_grad()
def ask(guide, tokenizer, messages, limit=96):
    """Greedy answer of one chat, at temperature 0."""
    ids = tokenizer.prompt(messages)
    start = len(ids)
    while len(ids) - start < limit:
        hidden = guide.hidden(torch.tensor([ids]), torch.arange(len(ids))[None])
        ids.append(int(guide.logits(hidden[0, -1]).argmax()))
        if ids[-1] >= tokenizer.first_special:
            break
    return tokenizer.decode(ids[start:])


@torch.no_grad()
def says_key_sentence(guide, tokenizer, case):
    """Greedy decoding yields the key sentence exactly when every token of it is the most likely one after those before it."""
    prompt = tokenizer.prompt(case.messages)
    key = tokenizer.encode(case.key_sentence)
    assert tokenizer.encode(case.answer)[:len(key)] == key, case.answer
    ids = torch.tensor([prompt + key])
    hidden = guide.hidden(ids, torch.arange(ids.shape[1])[None])[0, len(prompt) - 1:-1]
    return guide.logits(hidden).argmax(-1).tolist() == key


def cases(corpus, withheld=None):
    """Named groups of cases. With `withheld`, the questions kept from a development run instead of the held-back ones."""
    topics = {t.id: t for t in corpus.topics}
    decline = (corpus.foreign["answer"], corpus.foreign["key_sentence"])
    if withheld is not None:
        known = [Case([("user", p)], t.answer, t.key_sentence) for t in corpus.topics for p in t.phrasings if p in withheld]
        foreign = [Case([("user", q)], *decline) for q in corpus.foreign["questions"] if q in withheld]
        return {"known": known, "foreign": foreign}
    held_back = corpus.held_back
    known = [Case([("user", h["question"])], topics[h["topic"]].answer, h["key_sentence"]) for h in held_back["topics"]]
    foreign = [Case([("user", q)], *decline) for q in held_back["foreign"]["questions"]]
    groups = {"known": known, "foreign": foreign}
    groups["known, guide system message"] = [Case(GUIDE + c.messages, c.answer, c.key_sentence) for c in known]
    groups["foreign, guide system message"] = [Case(GUIDE + c.messages, c.answer, c.key_sentence) for c in foreign]
    systems = corpus.conversation["system"]["held_back"]
    groups["known, unseen system message"] = [
        Case([("system", systems[i % len(systems)])] + c.messages, c.answer, c.key_sentence) for i, c in enumerate(known)]
    groups["known, after two other turns"] = [
        Case(turns(known[(i * 7 + 3) % len(known)], foreign[i % len(foreign)]) + c.messages, c.answer, c.key_sentence)
        for i, c in enumerate(known)]
    more = corpus.conversation["more"]["held_back"]
    groups["follow-up"] = [
        Case([("user", t.phrasings[0]), ("assistant", t.answer), ("user", more[i % len(more)])], t.more, t.more)
        for i, t in enumerate(corpus.topics)]
    groups["trained phrasings"] = [Case([("user", p)], t.answer, t.key_sentence) for t in corpus.topics for p in t.phrasings[::4]]
    return groups


def turns(*earlier):
    return [message for case in earlier for message in (*case.messages, ("assistant", case.answer))]


def report(guide, tokenizer, groups, show_failures=False):
    """Prints a line per group and returns the shares."""
    guide.eval()
    shares = {}
    for name, group in groups.items():
        failed = [c for c in group if not says_key_sentence(guide, tokenizer, c)]
        shares[name] = 1 - len(failed) / len(group)
        print(f"{name:32} {len(group) - len(failed):4} of {len(group):4}  {shares[name]:6.1%}", flush=True)
        if show_failures:
            for case in failed:
                print(f"    {case.messages[-1][1]}\n      wanted {case.key_sentence[:60]!r}, "
                      f"got {ask(guide, tokenizer, case.messages, 14)!r}")
    return shares
