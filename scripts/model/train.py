"""Trains cocoon-guide on a CPU, writes the GGUF and evaluates what was written. Usage: train.py OUTPUT.gguf [--help]"""
import argparse
import math
import random
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as functional

import corpus as corpora
import evaluate
import gguf
import tokenizer as tokenizers
from model import Guide, Shape
from samples import Sampler

MERGES, BATCH, POOL = 1600, 32, 16
LEARNING_RATE, WEIGHT_DECAY, WARM_UP, DROPOUT = 2e-3, 0.05, 60, 0.1
CLASS_WEIGHT, SMOOTHING = 0.3, 0.05
WHOLE_ANSWERS, OPENING = 0.15, 8
SINGLE_TURN_PHASE = 0.6
POSITION_GAP = 0.1
BAG_STEPS, BAG_BATCH, BAG_RATE, BAG_SCALE, BAG_DROP = 250, 256, 5e-3, 10, 0.15
EMBEDDING_DEVIATION = 0.05
SPLIT_WORDS, SPLIT_MERGE = 0.25, 0.15


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dev", action="store_true", help="keep a sixth of the trained questions back and evaluate on those")
    parser.add_argument("--failures", action="store_true", help="print every failed question")
    return parser.parse_args()


def encode(sample, tokenizer, chance):
    """Token ids, positions, the number of tokens before the answer and the class.

    Most samples stop after the opening of the answer: that is where the topic is decided, and the rest is soon
    learned by heart. A gap in the positions stands for a long conversation in between.
    """
    def question(role, text):
        if role != "user" or chance.random() >= SPLIT_WORDS:
            return tokenizer.encode(text)
        return tokenizer.encode(text, lambda: chance.random() < SPLIT_MERGE)

    history = sample.messages[:sample.history]
    prompt = tokenizer.prompt(sample.messages, question)
    answer = tokenizer.encode(sample.answer) + [tokenizer.im_end]
    if chance.random() >= WHOLE_ANSWERS:
        answer = answer[:OPENING]
    ids = prompt + answer
    positions = list(range(len(ids)))
    if history and chance.random() < POSITION_GAP:
        at = len(tokenizer.prompt(history[:chance.randint(1, len(history))])) - len(tokenizer.prompt([]))
        gap = chance.randint(1, 1200)
        positions = [p + gap if p >= at else p for p in positions]
    return ids, positions, len(prompt), sample.label


def batches(sampler, tokenizer, chance, steps):
    """Batches of samples of about the same length: at first single questions only, conversations later."""
    for step in range(0, steps, POOL):
        sampler.conversations = step >= SINGLE_TURN_PHASE * steps
        pool = sorted((encode(sampler.draw(), tokenizer, chance) for _ in range(BATCH * POOL)), key=lambda e: len(e[0]))
        groups = [pool[i:i + BATCH] for i in range(0, len(pool), BATCH)]
        chance.shuffle(groups)
        yield from groups


def loss_of(guide, head, batch, padding):
    length = max(len(ids) for ids, *_ in batch)
    tokens = torch.full((len(batch), length), padding)
    answers = torch.zeros(len(batch), length, dtype=torch.bool)
    positions = torch.zeros(len(batch), length, dtype=torch.long)
    for row, (ids, position, start, _) in enumerate(batch):
        tokens[row, :len(ids)] = torch.tensor(ids)
        answers[row, start:len(ids)] = True
        positions[row, :len(ids)] = torch.tensor(position)
    hidden = guide.hidden(tokens[:, :-1], positions[:, :-1])
    answers = answers[:, 1:]
    text = functional.cross_entropy(guide.logits(hidden[answers]), tokens[:, 1:][answers])
    last = hidden[torch.arange(len(batch)), torch.tensor([start - 1 for _, _, start, _ in batch])]
    labels = torch.tensor([label for *_, label in batch])
    return text, functional.cross_entropy(head(last), labels, label_smoothing=SMOOTHING)


def seed_embeddings(sampler, tokenizer, chance, guide):
    """Gives words of one topic similar vectors before the network sees them: a bag of tokens has to name the topic.

    This takes seconds and spares the network the slow part, in which it finds out which words matter.
    """
    bag = torch.nn.EmbeddingBag(*guide.token_embd.weight.shape, mode="mean")
    torch.nn.init.normal_(bag.weight, std=0.02)
    head = torch.nn.Linear(guide.shape.width, sampler.labels)
    optimizer = torch.optim.Adam([*bag.parameters(), *head.parameters()], BAG_RATE)
    for step in range(BAG_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = BAG_RATE * (1 - step / BAG_STEPS)
        tokens, starts, labels = [], [], []
        for _ in range(BAG_BATCH):
            question, _, label, _ = sampler.turn()
            ids = tokenizer.encode(question, lambda: chance.random() < SPLIT_MERGE * SPLIT_WORDS)
            starts.append(len(tokens))
            tokens += [i for i in ids if chance.random() >= BAG_DROP] or ids
            labels.append(label)
        means = functional.dropout(bag(torch.tensor(tokens), torch.tensor(starts)), 0.2)
        loss = functional.cross_entropy(head(means * BAG_SCALE), torch.tensor(labels), label_smoothing=SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"embeddings: class {loss.item():.3f}")
    with torch.no_grad():
        guide.token_embd.weight.copy_(bag.weight * (EMBEDDING_DEVIATION / bag.weight.std()))


def train(options, corpus, tokenizer, withheld):
    chance = random.Random(options.seed)
    sampler = Sampler(corpus, chance, withheld)
    guide = Guide(Shape(len(tokenizer.tokens)), DROPOUT)
    head = torch.nn.Linear(guide.shape.width, sampler.labels)
    parameters = [p for module in (guide, head) for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, LEARNING_RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY)
    print(f"{sum(p.numel() for p in guide.parameters()):,} parameters, {len(tokenizer.tokens)} tokens, {options.steps} steps")
    started = time.monotonic()
    seed_embeddings(sampler, tokenizer, chance, guide)
    source = batches(sampler, tokenizer, chance, options.steps)
    for step in range(options.steps):
        rate = LEARNING_RATE * min(1, (step + 1) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / options.steps) + 0.01)
        for group in optimizer.param_groups:
            group["lr"] = rate
        text, label = loss_of(guide, head, next(source), tokenizer.end_of_text)
        optimizer.zero_grad()
        (text + CLASS_WEIGHT * label).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if step % 50 == 0 or step == options.steps - 1:
            print(f"step {step:5}  text {text.item():.3f}  class {label.item():.3f}  {time.monotonic() - started:5.0f} s", flush=True)
    return guide.eval()


def main():
    options = arguments()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    corpus = corpora.load()
    withheld = None
    if options.dev:
        withheld = {q for t in corpus.topics for q in t.phrasings[3::6]} | set(corpus.foreign["questions"][3::6])
    tokenizer = tokenizers.Tokenizer(tokenizers.train(corpus.texts(), MERGES))
    guide = train(options, corpus, tokenizer, withheld or frozenset())
    shipped = gguf.write(options.output, guide, tokenizer, corpus)
    guide.load_state_dict({name if name in guide.state_dict() else name.removesuffix(".weight"): t for name, t in shipped.items()})
    print(f"{options.output}: {options.output.stat().st_size:,} bytes, corpus {corpus.sha256}")
    shares = evaluate.report(guide, tokenizer, evaluate.cases(corpus, withheld), options.failures)
    return 0 if min(shares["known"], shares["foreign"]) >= evaluate.TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
