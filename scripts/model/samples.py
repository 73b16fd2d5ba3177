"""Turns the corpus into training samples: a chat, the wanted answer and the class of its last question."""
from dataclasses import dataclass

from augment import paraphrase
from corpus import normalize


@dataclass
class Sample:
    messages: list[tuple[str, str]]
    answer: str
    label: int
    history: int  # how many messages come before the last question


class Sampler:
    """Draws samples. Labels: topics in order, then the decline, then everything that depends on earlier turns."""

    def __init__(self, corpus, random, withheld=frozenset()):
        self.corpus, self.random = corpus, random
        self.decline = len(corpus.topics)
        self.dependent = self.decline + 1
        self.labels = self.dependent + 1
        self.hidden = corpus.held_back_questions() | {normalize(q) for q in withheld}
        self.phrasings = [[p for p in t.phrasings if p not in withheld] for t in corpus.topics]
        self.foreign = [q for q in corpus.foreign["questions"] if q not in withheld]
        self.conversations = True
        self._deck = []

    def topic_index(self):
        """Every topic comes up once before any comes up again."""
        if not self._deck:
            self._deck = list(range(len(self.corpus.topics)))
            self.random.shuffle(self._deck)
        return self._deck.pop()

    def question(self, phrasings, patterns):
        """A variation of a phrasing or a pattern that is nothing held back, however it came about."""
        while True:
            text = (self.random.choice(phrasings) if self.random.random() < 0.5
                    else self.corpus.expand(self.random.choice(patterns), self.random))
            text = paraphrase(text, self.random)
            if normalize(text) not in self.hidden:
                return text

    def turn(self):
        """A question that stands alone, with its answer, label and topic."""
        if self.random.random() < 0.25:
            return self.question(self.foreign, self.corpus.foreign["patterns"]), self.corpus.foreign["answer"], self.decline, None
        index = self.topic_index()
        topic = self.corpus.topics[index]
        return self.question(self.phrasings[index], topic.patterns), topic.answer, index, topic

    def more(self):
        return paraphrase(self.random.choice(self.corpus.conversation["more"]["questions"]), self.random)

    def system(self):
        """Most chats have no system message; the others any text, which must change nothing."""
        roll = self.random.random()
        if roll < 0.6:
            return []
        system = self.corpus.conversation["system"]
        if roll < 0.75:
            return [("system", system["messages"][0])]
        if roll < 0.92:
            return [("system", " ".join(self.random.sample(system["messages"], self.random.choice([1, 1, 1, 2]))))]
        words = [self.random.choice(system["words"]) for _ in range(self.random.randint(3, 25))]
        return [("system", " ".join(words).capitalize() + ".")]

    def draw(self):
        messages = self.system()
        roll = self.random.random()
        if not self.conversations or roll < 0.75:
            question, answer, label, _ = self.turn()
            return Sample(messages + [("user", question)], answer, label, len(messages))
        for _ in range(self.random.choice([0, 0, 0, 1, 1, 2]) if roll >= 0.88 else self.random.choice([1, 1, 2, 3])):
            question, answer, _, _ = self.turn()
            messages += [("user", question), ("assistant", answer)]
        if roll < 0.88:
            question, answer, label, _ = self.turn()
            return Sample(messages + [("user", question)], answer, label, len(messages))
        return self.follow_up(messages)

    def follow_up(self, messages):
        question, answer, _, topic = self.turn()
        messages = messages + [("user", question), ("assistant", answer)]
        if topic is None:
            return Sample(messages + [("user", self.more())], answer, self.decline, len(messages))
        if topic.follow_ups and self.random.random() < 0.5:
            chosen = self.random.choice(topic.follow_ups)
            question = paraphrase(self.random.choice(chosen["questions"]), self.random)
            return Sample(messages + [("user", question)], chosen["answer"], self.dependent, len(messages))
        if self.random.random() < 0.12:
            messages = messages + [("user", self.more()), ("assistant", topic.more)]
            return Sample(messages + [("user", self.more())], self.corpus.conversation["more"]["exhausted"], self.dependent, len(messages))
        return Sample(messages + [("user", self.more())], topic.more, self.dependent, len(messages))
