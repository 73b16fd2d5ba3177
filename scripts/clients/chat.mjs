// usage: node chat.mjs BASE_URL PROMPT [MODEL]
// Streams one answer with the official OpenAI client and prints one JSON line: what came, or the error class that the client made of it.
import OpenAI from 'openai';

const [baseURL, prompt, wanted] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: 'unused', maxRetries: 0 });

try {
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  const stream = await client.chat.completions.create({
    model: wanted ?? models[0],
    messages: [{ role: 'user', content: prompt }],
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
  });
  const result = { models, text: '', pieces: 0, finish_reason: null, usage: null };
  for await (const chunk of stream) {
    const choice = chunk.choices[0];
    if (choice?.delta.content) {
      result.text += choice.delta.content;
      result.pieces++;
    }
    result.finish_reason = choice?.finish_reason ?? result.finish_reason;
    result.usage = chunk.usage ?? result.usage;
  }
  console.log(JSON.stringify(result));
} catch (error) {
  console.log(JSON.stringify({ error: { class: error.constructor.name, status: error.status ?? null, code: error.code ?? null, message: error.message } }));
}
