"""Paraphrases questions at training time, the same way for known and foreign questions, so that form alone tells nothing."""
import re

REWRITES = [(re.compile(pattern, re.IGNORECASE), forms) for pattern, forms in [
    (r"what happens (?:if|when) (.+)", [
        "what if {0}", "what would happen if {0}", "what happens when {0}", "what happens if {0}", "{0}, what now",
        "what is going to happen when {0}", "what do I do if {0}", "suppose that {0}", "tell me what happens if {0}"]),
    (r"what if (.+)", ["what happens if {0}", "what happens when {0}", "{0}, what now", "what would happen if {0}", "and if {0}"]),
    (r"(?:what is|what are|what's|explain|describe|tell me about) (.+)", [
        "what is {0}", "what's {0}", "explain {0}", "explain {0} to me", "tell me about {0}", "describe {0}", "{0}",
        "can you explain {0}", "could you explain {0}", "what exactly is {0}", "tell me what {0} is", "I want to know what {0} is",
        "I would like to know about {0}", "what do you mean by {0}", "what does {0} mean", "give me an explanation of {0}",
        "do you know what {0} is", "tell me something about {0}", "what can you say about {0}", "what are {0}",
        "explain to me what {0} is", "I do not understand {0}", "information about {0}", "what is the meaning of {0}",
        "what is meant by {0}", "how would you explain {0}", "can you describe {0}", "define {0}"]),
    (r"what does (.+) (do|mean|show|cost|contain|print|prove)", [
        "tell me what {0} {1}s", "what will {0} {1}", "what is it that {0} {1}s", "explain what {0} {1}s", "what would {0} {1}",
        "can you tell me what {0} {1}s", "I want to know what {0} {1}s", "what can {0} {1}"]),
    (r"how (?:do|can|should|could|would) I (.+)", [
        "how can I {0}", "how do I {0}", "how to {0}", "how could I {0}", "how would I {0}", "how should I {0}", "how might I {0}",
        "what is the way to {0}", "what is the best way to {0}", "I want to {0}", "I want to {0}, how", "I would like to {0}",
        "show me how to {0}", "tell me how to {0}", "explain how to {0}", "what do I have to do to {0}", "what must I do to {0}",
        "help me to {0}", "how does one {0}", "how do you {0}", "how can you {0}", "is there a way to {0}", "can I {0}",
        "what do I need to do to {0}", "I need to {0}", "can you show me how to {0}", "I am trying to {0}", "which way can I {0}",
        "what steps do I take to {0}", "how can a person {0}", "I do not know how to {0}", "in what way can I {0}"]),
    (r"how (?:does|do) (.+) (work|function|earn|compare|differ)(.*)", [
        "how {0} {1}s{2}", "explain how {0} {1}s{2}", "tell me how {0} {1}s{2}", "can you explain how {0} {1}{2}",
        "in what way does {0} {1}{2}", "how will {0} {1}{2}", "how exactly does {0} {1}{2}", "I want to know how {0} {1}s{2}"]),
    (r"how (is|are) (.+?) (\w+ed|found|sent|made|paid|chosen|shown|kept|built|spread)(.*)", [
        "how {0} {1} being {2}{3}", "explain how {1} {0} {2}{3}", "tell me how {1} {0} {2}{3}", "in what way {0} {1} {2}{3}",
        "in which way {0} {1} {2}{3}", "can you explain how {1} {0} {2}{3}", "how exactly {0} {1} {2}{3}"]),
    (r"how (much|many|long|big|large|fast|often|high|far|old|deep) (.+)", [
        "tell me how {0} {1}", "how {0} exactly {1}", "can you tell me how {0} {1}", "do you know how {0} {1}",
        "I want to know how {0} {1}", "about how {0} {1}"]),
    (r"(?:can|may|could) I (.+)", [
        "is it possible to {0}", "could I {0}", "may I {0}", "can I {0}", "am I able to {0}", "am I allowed to {0}", "can you {0}",
        "is there a way to {0}", "I want to {0}, can I", "will I be able to {0}", "can one {0}", "can someone {0}", "how can I {0}",
        "would it be possible to {0}", "I would like to {0}", "may one {0}", "can a user {0}"]),
    (r"do I (?:need|require) (?!to )(.+)", [
        "is {0} needed", "must I have {0}", "is {0} necessary", "do I require {0}", "is {0} required", "do I have to have {0}",
        "do you need {0}", "does one need {0}", "will I need {0}", "can I do without {0}", "is it necessary to have {0}"]),
    (r"do I (?:need|have) to (.+)", [
        "must I {0}", "do I have to {0}", "do I need to {0}", "is it necessary to {0}", "should I {0}", "is it required to {0}",
        "am I forced to {0}", "does one have to {0}", "do you have to {0}", "will I have to {0}"]),
    (r"(?:does (?:it|cocoon) support|do you support|does (?:it|cocoon) work with|does (?:it|cocoon) do) (.+)", [
        "is {0} supported", "are {0} supported", "does cocoon support {0}", "does it support {0}", "do you support {0}",
        "can I use {0}", "can cocoon do {0}", "does it work with {0}", "is there support for {0}", "is {0} possible",
        "can I use {0} with cocoon", "does {0} work", "will {0} work", "I want to use {0}", "support for {0}"]),
    (r"(?:is|are) (.+) (?:supported|possible|available)", [
        "is {0} supported", "does cocoon support {0}", "do you support {0}", "can I use {0}", "is there support for {0}",
        "is {0} possible", "does it support {0}", "is {0} available", "do you have {0}", "does {0} work", "support for {0}"]),
    (r"(?:is|are) there (?:a |an |any )?(.+)", [
        "is there a {0}", "do you have a {0}", "does cocoon have a {0}", "is there any {0}", "are there any {0}", "does a {0} exist",
        "I am looking for a {0}", "have you got a {0}", "will there be a {0}", "is there such a thing as a {0}"]),
    (r"(?:which|what) (.+)", ["which {0}", "what {0}", "tell me which {0}", "can you tell me which {0}", "do you know which {0}"]),
    (r"who (.+)", ["who exactly {0}", "tell me who {0}", "do you know who {0}", "who is it that {0}", "which person {0}"]),
    (r"why (.+)", ["why exactly {0}", "for what reason {0}", "how come {0}", "tell me why {0}", "I wonder why {0}", "explain why {0}"]),
    (r"where (.+)", ["where exactly {0}", "in which place {0}", "tell me where {0}", "do you know where {0}", "at which place {0}"]),
    (r"when (.+)", ["when exactly {0}", "at what time {0}", "tell me when {0}", "at which moment {0}"]),
    (r"(?:show me|list|give me) (.+)", [
        "show me {0}", "list {0}", "give me {0}", "can you show me {0}", "I want to see {0}", "print {0}", "can you list {0}",
        "could you give me {0}", "display {0}", "let me see {0}", "I need {0}", "I would like {0}"]),
    (r"I (get|have|am) (.+)", [
        "help, I {0} {1}", "I {0} {1}, why", "I {0} {1}, what now", "what if I {0} {1}", "why do I {0} {1}", "now I {0} {1}",
        "I always {0} {1}", "what can I do when I {0} {1}", "I still {0} {1}"]),
    (r"my (.+)", ["the {0}", "help, my {0}", "my {0}, what now", "my {0}, why", "why my {0}", "what if my {0}", "it seems that my {0}"]),
]]

SYNONYMS = [
    ["GPU", "graphics card", "video card"], ["GPUs", "graphics cards", "video cards"], ["computer", "machine", "PC"],
    ["my prompt", "my message", "my question", "my text", "my request"], ["prompts", "messages", "requests", "questions"],
    ["data", "information"], ["private", "confidential", "secret"], ["safe", "secure"], ["read", "see", "look at"],
    ["hide", "conceal"], ["cheap", "inexpensive"], ["expensive", "costly"], ["show", "display", "print"], ["start", "launch"],
    ["run", "operate"], ["answer", "reply", "response"], ["answers", "replies", "responses"], ["big", "large"], ["fast", "quick"],
    ["license", "licence"], ["needed", "required", "necessary"], ["get", "obtain", "receive"], ["stored", "saved", "kept"],
    ["happens", "occurs"], ["cannot", "can't", "can not"], ["do not", "don't"], ["does not", "doesn't"], ["is not", "isn't"],
    ["somebody", "someone", "anybody", "anyone"], ["nobody", "no one"], ["people", "persons", "users"], ["use", "employ"],
    ["choose", "select", "pick"], ["chosen", "selected", "picked"], ["find", "locate"], ["check", "inspect"], ["create", "make"],
    ["remove", "delete"], ["difference", "distinction"], ["compare", "contrast"], ["provider", "GPU owner", "host"],
    ["providers", "GPU owners", "hosts"], ["earn", "make"], ["peers", "nodes", "other nodes"], ["Cocoon", "the network", "this network", "it"],
    ["the network", "Cocoon", "the Cocoon network"], ["app", "application", "program"], ["why", "how come"], ["error", "message", "failure"],
    ["disappears", "vanishes", "goes away"], ["crashes", "dies", "fails", "breaks"], ["command", "verb"], ["slow", "sluggish"],
    ["send", "transmit"], ["money", "funds", "coins"], ["store", "save", "keep"], ["download", "fetch"], ["install", "set up"],
    ["kind of", "sort of", "type of"], ["maximum", "largest"], ["minimum", "smallest"], ["return", "give back"], ["set", "configure"],
    ["view", "see", "look at"], ["want", "would like"], ["me", "us"], ["my", "our", "the", "a"], ["I", "we", "you", "one"],
    ["a", "the", "an", "any"], ["does", "will", "can", "would"], ["work", "function"], ["allowed", "permitted"], ["must", "should"],
    ["wrong", "bad"], ["protected", "shielded"], ["book", "novel"], ["city", "town"], ["buy", "purchase", "get"], ["best", "greatest"],
]
SYNONYM_TABLE = {}
for group in SYNONYMS:
    for word in group:
        SYNONYM_TABLE.setdefault(word.lower(), []).extend(w for w in group if w != word)
SYNONYM_PATTERN = re.compile(
    r"\b(" + "|".join(sorted(map(re.escape, SYNONYM_TABLE), key=len, reverse=True)) + r")\b", re.IGNORECASE)

PREFIXES = ["please tell me: ", "hi, ", "hello, ", "hey, ", "so ", "ok, ", "okay, ", "quick question: ", "I have a question: ",
            "can you tell me, ", "tell me, ", "and ", "but ", "now ", "well, ", "one more thing: ", "excuse me, ", "sorry, ",
            "I was wondering, ", "just curious, ", "hi guide, ", "please, ", "good, ", "next question: ", "could you say, ",
            "I wonder, ", "then ", "um, ", "listen, ", "let me ask: ", "question: ", "I am curious: "]
SUFFIXES = [" please", ", please", " exactly", " in Cocoon", " with Cocoon", " here", " in simple words", " for me", " in the network",
            " at the moment", " actually", " by the way", " then", " today", ", thanks", " in general", " really", " in short",
            " on my own", ", can you tell me", ", I wonder", ", any idea", ", do you know", " in this case", " in practice"]
OPTIONAL = {"the", "a", "an", "of", "to", "my", "do", "does", "is", "are", "it", "that", "this", "for", "in", "with", "please", "there",
            "exactly", "really", "own", "can", "me", "some", "any", "about"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def paraphrase(question, random):
    text, end = (question[:-1], question[-1]) if question[-1] in "?.!" else (question, "")
    if random.random() < 0.5:
        text = rewrite(text, random)
    if random.random() < 0.4:
        text = substitute(text, random)
    if random.random() < 0.25:
        text = random.choice(PREFIXES) + lower_first(text)
    if random.random() < 0.15:
        text += random.choice(SUFFIXES)
    if random.random() < 0.2:
        text = drop_word(text, random)
    if random.random() < 0.12:
        text = misspell(text, random)
    return recase(text, random) + punctuate(end, random)


def rewrite(text, random):
    for pattern, forms in REWRITES:
        found = pattern.fullmatch(text)
        if found:
            return random.choice(forms).format(*found.groups())
    return text


def substitute(text, random):
    found = list(SYNONYM_PATTERN.finditer(text))
    for match in sorted(random.sample(found, min(len(found), random.choice([1, 1, 2]))), key=lambda m: -m.start()):
        text = text[:match.start()] + random.choice(SYNONYM_TABLE[match[0].lower()]) + text[match.end():]
    return text


def drop_word(text, random):
    words = text.split(" ")
    droppable = [i for i, w in enumerate(words) if w.lower() in OPTIONAL]
    if len(words) > 3 and droppable:
        del words[random.choice(droppable)]
    return " ".join(words)


def misspell(text, random):
    words = text.split(" ")
    long = [i for i, w in enumerate(words) if len(w) > 4 and w.isalpha()]
    if not long:
        return text
    at = random.choice(long)
    word, i = words[at], random.randrange(1, len(words[at]) - 1)
    words[at] = random.choice([
        word[:i] + word[i + 1:], word[:i] + word[i] + word[i:], word[:i] + word[i + 1] + word[i] + word[i + 2:],
        word[:i] + random.choice(LETTERS) + word[i + 1:]])
    return " ".join(words)


def lower_first(text):
    return text if text.startswith(("I ", "I'")) or text[1:2].isupper() else text[:1].lower() + text[1:]


def recase(text, random):
    roll = random.random()
    if roll < 0.25:
        return text.lower()
    if roll < 0.28:
        return text.upper()
    return text[:1].upper() + text[1:]


def punctuate(end, random):
    roll = random.random()
    if roll < 0.55:
        return end
    return random.choice(["", "", "?", "?", ".", "!", "??", " ?", "..."])
