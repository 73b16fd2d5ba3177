// usage: node render.mjs < conversations.json
// Renders every known chat template with every conversation by @huggingface/jinja and prints one JSON document:
// [{name, template, results: [{text} | {error}]}]. A conversation is the context that the transformers library gives a template.
// Template texts: the GGUF metadata of public models as listed by @huggingface/ollama-utils, and families/*.jinja.
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { Template } from '@huggingface/jinja';

const own = join(dirname(fileURLToPath(import.meta.url)), 'families');
const conversations = JSON.parse(readFileSync(0, 'utf8'));

function published() {
  // The list is not exported; it stands in the bundle as one object literal per model.
  const source = readFileSync(createRequire(import.meta.url).resolve('@huggingface/ollama-utils'), 'utf8');
  const entry = /^\s+model: ("(?:[^"\\]|\\.)*"),\n\s+gguf: ("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`),$/gm;
  return [...source.matchAll(entry)].map(([, model, text]) => ({ name: JSON.parse(model), template: runInNewContext(text) }));
}

function render(template, context) {
  try {
    return { text: new Template(template).render(context) };
  } catch (error) {
    return { error: error.message.slice(0, 200) };
  }
}

const templates = [
  ...published(),
  ...readdirSync(own).filter((f) => f.endsWith('.jinja')).map((f) => ({ name: basename(f, '.jinja'), template: readFileSync(join(own, f), 'utf8') })),
];
console.log(JSON.stringify(templates.map((t) => ({ ...t, results: conversations.map((c) => render(t.template, c)) }))));
