"""Loads the readable corpus, checks its rules and hashes it."""
import hashlib
import itertools
import json
import random
import re
import string
from dataclasses import dataclass, field
from pathlib import Path

CHOICE, MACRO, SLOT = re.compile(r"\(([^()]*)\)"), re.compile(r"<(\w+)>"), re.compile(r"\{(\w+)\}")
FOLDER = Path(__file__).parent / "corpus"
MIN_TOPICS, MIN_PHRASINGS, MIN_HELD_BACK, MIN_FOREIGN_HELD_BACK = 60, 8, 2, 40


@dataclass
class Topic:
    id: str
    key_sentence: str
    answer: str
    more: str
    phrasings: list[str]
    patterns: list[str]
    follow_ups: list[dict] = field(default_factory=list)


@dataclass
class Corpus:
    topics: list[Topic]
    foreign: dict
    conversation: dict
    macros: dict
    held_back: dict
    sha256: str

    def texts(self):
        """Every text that the tokenizer should know well, answers first."""
        for topic in self.topics:
            yield from (topic.answer, topic.more, *topic.phrasings)
            for follow_up in topic.follow_ups:
                yield from (follow_up["answer"], *follow_up["questions"])
        yield from (self.foreign["answer"], self.conversation["more"]["exhausted"])
        yield from self.foreign["questions"]
        yield from itertools.chain(*self.foreign["slots"].values())
        yield from self.conversation["more"]["questions"]
        chance = random.Random(0)
        for pattern in itertools.chain(self.foreign["patterns"], *(t.patterns for t in self.topics)):
            yield from (self.expand(pattern, chance) for _ in range(6))

    def expand(self, pattern, chance):
        """One text of a pattern: (a|b) is a choice, <name> a macro and {name} a slot for foreign words."""
        text = MACRO.sub(lambda m: chance.choice(self.macros[m[1]]), pattern)
        while CHOICE.search(text):
            text = CHOICE.sub(lambda m: chance.choice(m[1].split("|")), text)
        text = SLOT.sub(lambda m: chance.choice(self.foreign["slots"][m[1]]), text)
        return " ".join(text.split())

    def held_back_questions(self):
        return {normalize(h["question"]) for h in self.held_back["topics"]} | {
            normalize(q) for q in self.held_back["foreign"]["questions"]}


def normalize(question):
    """Equality of questions ignores case, punctuation and spaces."""
    kept = question.lower().translate(str.maketrans("", "", string.punctuation))
    return " ".join(kept.split())


def load(folder=FOLDER):
    files = sorted(folder.glob("*.json"))
    digest = hashlib.sha256()
    parsed = {}
    for file in files:
        data = file.read_bytes()
        digest.update(f"{file.name} {len(data)}\n".encode() + data)
        parsed[file.stem] = json.loads(data)
    topics = [Topic(**t) for name in parsed if name.startswith("topics-") for t in parsed[name]["topics"]]
    corpus = Corpus(topics, parsed["foreign"], parsed["conversation"], parsed["macros"], parsed["held_back"], digest.hexdigest())
    check(corpus)
    return corpus


def check(corpus):
    """The rules that keep the evaluation honest: enough of everything, and nothing held back is trained."""
    by_id = {t.id: t for t in corpus.topics}
    assert len(by_id) == len(corpus.topics) >= MIN_TOPICS, "topic ids must be unique and enough"
    keys = [t.key_sentence for t in corpus.topics]
    assert len(set(keys)) == len(keys), "two topics share a key sentence"
    held_back = [(h["topic"], normalize(h["question"])) for h in corpus.held_back["topics"]]
    foreign_held_back = [normalize(q) for q in corpus.held_back["foreign"]["questions"]]
    assert len(set(foreign_held_back)) >= MIN_FOREIGN_HELD_BACK
    owner = {}
    for topic in corpus.topics:
        assert topic.key_sentence in topic.answer, topic.id
        assert len(topic.phrasings) >= MIN_PHRASINGS, topic.id
        assert sum(1 for t, _ in held_back if t == topic.id) >= MIN_HELD_BACK, topic.id
        for phrasing in topic.phrasings:
            other = owner.setdefault(normalize(phrasing), topic.id)
            assert other == topic.id, f"{phrasing!r} belongs to {other} and {topic.id}"
    for entry in corpus.held_back["topics"]:
        assert entry["key_sentence"] == by_id[entry["topic"]].key_sentence, entry
    trained = set(owner) | {normalize(q) for q in corpus.foreign["questions"]}
    leaked = corpus.held_back_questions() & trained
    assert not leaked, f"held back but trained: {sorted(leaked)}"
