// usage: node suite.mjs BASE_URL CHAT_MODEL CALLER_MODEL EMBEDDING_MODEL
// Drives every part of the API with the official OpenAI client and prints one JSON line: per case what came, or the error class that the client made of it.
import OpenAI from 'openai';

const [baseURL, chat, caller, embedding] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: 'unused', maxRetries: 0 });
const question = [{ role: 'user', content: 'What do you keep?' }];
const schema = {
  type: 'object',
  properties: { city: { enum: ['Paris', 'Zürich'] }, days: { type: 'integer', minimum: 1, maximum: 14 } },
  required: ['city', 'days'],
  additionalProperties: false,
};
const tools = [{ type: 'function', function: { name: 'weather', description: 'Weather of a city.', parameters: schema, strict: true } }];

const cases = {
  async models() {
    const list = await client.models.list();
    const one = await client.models.retrieve(chat);
    return { ids: list.data.map((m) => m.id), one: one.id, providers: one.cocoon.providers };
  },
  async whole() {
    const { data, response } = await client.chat.completions.create({ model: chat, messages: question, temperature: 0 }).withResponse();
    return { text: data.choices[0].message.content, tier: response.headers.get('x-cocoon-tier'), cost: data.cocoon.cost_nanoton, receipt: data.cocoon.receipt };
  },
  async schema() {
    const format = { type: 'json_schema', json_schema: { name: 'weather', strict: true, schema } };
    const answers = [];
    for (let seed = 0; seed < 3; seed++) {
      const answer = await client.chat.completions.create({ model: chat, messages: question, seed, temperature: 1.5, response_format: format });
      answers.push(JSON.parse(answer.choices[0].message.content));
    }
    return answers;
  },
  async tools() {
    const messages = [...question];
    const first = await client.chat.completions.create({ model: chat, messages, tools, tool_choice: { type: 'function', function: { name: 'weather' } } });
    const message = first.choices[0].message;
    messages.push(message, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: '21' });
    const second = await client.chat.completions.create({ model: chat, messages, tools, temperature: 0 });
    return { finish: first.choices[0].finish_reason, arguments: JSON.parse(message.tool_calls[0].function.arguments), text: second.choices[0].message.content };
  },
  async calls() {
    const stream = client.chat.completions.stream({ model: caller, messages: question, tools: [{ type: 'function', function: { name: 'look' } }], temperature: 0 });
    let reasoning = '';
    for await (const chunk of stream) reasoning += chunk.choices[0]?.delta.reasoning_content ?? '';
    const final = await stream.finalChatCompletion();
    const call = final.choices[0].message.tool_calls[0];
    return { reasoning, name: call.function.name, arguments: call.function.arguments, finish: final.choices[0].finish_reason };
  },
  async completions() {
    const answer = await client.completions.create({ model: chat, prompt: ['Cocoon keeps', 'Cocoon keeps every'], max_tokens: 3, temperature: 0, echo: true });
    return answer.choices.map((c) => c.text);
  },
  async logprobs() {
    const answer = await client.chat.completions.create({ model: chat, messages: question, temperature: 0, logprobs: true, top_logprobs: 2, max_tokens: 3, stop: ['zzz'] });
    return { tokens: answer.choices[0].logprobs.content.map((t) => t.token), top: answer.choices[0].logprobs.content.map((t) => t.top_logprobs.length), finish: answer.choices[0].finish_reason };
  },
  async embeddings() {
    // The client asks for base64 and decodes it.
    const answer = await client.embeddings.create({ model: embedding, input: ['a', 'b'], dimensions: 8 });
    return answer.data.map((d) => d.embedding.length);
  },
  async responses() {
    let deltas = '';
    const kinds = new Set();
    const stream = client.responses.stream({ model: chat, input: 'What do you keep?', temperature: 0, instructions: 'Be brief.' });
    for await (const event of stream) {
      kinds.add(event.type);
      if (event.type === 'response.output_text.delta') deltas += event.delta;
    }
    const final = await stream.finalResponse();
    const next = await client.responses.create({ model: chat, input: 'And?', previous_response_id: final.id, temperature: 0 });
    return { deltas, text: final.output_text, next: next.output_text, completed: kinds.has('response.completed'), cost: final.cocoon.cost_nanoton };
  },
  async abort() {
    const stream = await client.chat.completions.create({ model: chat, messages: question, stream: true, temperature: 2 });
    let pieces = 0;
    for await (const _ of stream) if (++pieces === 2) stream.controller.abort();
    return { pieces };
  },
  async unknown() {
    await client.chat.completions.create({ model: 'no-such-model', messages: question });
  },
  async refused() {
    await client.completions.create({ model: chat, prompt: 'a', suffix: 'b' });
  },
};

const results = {};
for (const [name, run] of Object.entries(cases)) {
  try {
    results[name] = (await run()) ?? null;
  } catch (error) {
    results[name] = { error: { class: error.constructor.name, status: error.status ?? null, code: error.code ?? null, param: error.param ?? null, message: error.message } };
  }
}
console.log(JSON.stringify(results));
