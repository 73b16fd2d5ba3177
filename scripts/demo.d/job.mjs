// The main job: one private question, paid with vouchers, settled on the chain, proven by a receipt.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { progress } from './report.mjs';

export async function askAndSettle(network, options) {
  const providers = [
    { address: network.wallet1, node: network.providers[0], data: 'provider-1' },
    { address: network.wallet2, node: network.providers[1], data: 'provider-2' },
  ];
  const before = await balances(network, providers);

  progress(`asking: ${options.prompt}`);
  const answer = await ask(network, options);
  const { cocoon } = answer;
  const provider = providers.find((p) => p.node.ready.peer_id === cocoon.provider);
  progress(`answered by ${cocoon.provider} (tier ${cocoon.tier}, evidence ${cocoon.evidence_kind})`);

  const settled = options.claim ? await claim(network, provider, cocoon) : await close(network, cocoon);
  const after = await balances(network, providers);
  const receiptFees = await receiptFee(network, provider.address, settled);
  const receipt = receiptFile(network, options, cocoon.receipt);
  const verdict = JSON.parse(await network.cocoon('client', ['verify', receipt, '--allow-open', '-o', 'json']));

  const providerBefore = before[provider.data], providerAfter = after[provider.data];
  const spent = before.client - after.client;
  // After a claim the deposit's rest and the rent lie in the channel and come back when it closes: no fees.
  const left = options.claim ? await network.balance(settled.channel) : 0n;
  return {
    schema: 1,
    network: 'devnet',
    shape: cocoon.shape,
    answer: answer.text,
    tier: cocoon.tier,
    evidence_kind: cocoon.evidence_kind,
    model: { name: answer.model, id: cocoon.model_id, sha256: await modelDigest(network, options) },
    provider_peer_id: cocoon.provider,
    client_peer_id: network.client.ready.peer_id,
    ttft_ms: answer.ttft,
    tokens_per_second: answer.rate,
    usage: answer.usage,
    cost_nanoton: cocoon.cost_nanoton,
    vouchers: { count: settled.vouchers, total_nanoton: settled.total },
    fees_nanoton: (spent - BigInt(settled.total) - left).toString(),
    left_in_channel_nanoton: left.toString(),
    provider_receipt_fees_nanoton: receiptFees.toString(),
    claim_fees_nanoton: options.claim ? (providerBefore + BigInt(settled.total) - receiptFees - providerAfter).toString() : '0',
    channel_address: cocoon.channel,
    settle_tx: settled.transaction,
    settled_by: options.claim ? 'claim' : 'cooperative close',
    provider_balance_before_nanoton: providerBefore.toString(),
    provider_balance_after_nanoton: providerAfter.toString(),
    client_balance_before_nanoton: before.client.toString(),
    client_balance_after_nanoton: after.client.toString(),
    receipt_valid: verdict.valid === true,
    receipt_path: receipt,
  };
}

async function balances(network, providers) {
  const [client, ...rest] = await Promise.all([network.balance(network.clientWallet), ...providers.map((p) => network.balance(p.address))]);
  return { client, ...Object.fromEntries(providers.map((p, i) => [p.data, rest[i]])) };
}

/** Streams through the light client's OpenAI endpoint, as any application would. */
async function ask(network, options) {
  const { data } = await (await fetch(`${network.client.ready.base_url}/models`)).json();
  const model = data[0].id;
  const started = performance.now();
  const response = await fetch(`${network.client.ready.base_url}/chat/completions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      model, stream: true, stream_options: { include_usage: true }, temperature: 0,
      messages: [{ role: 'user', content: options.prompt }],
    }),
  });
  if (!response.ok) throw new Error((await response.json()).error.message);

  const result = { model, text: '', usage: null, cocoon: null };
  let first = null, last = null;
  const show = options.output === 'json' ? process.stderr : process.stdout;
  for await (const data of serverSentEvents(response.body)) {
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Error(chunk.error.message);
    const text = chunk.choices[0]?.delta?.content ?? '';
    if (text) {
      last = performance.now();
      first ??= last;
      result.text += text;
      show.write(text);
    }
    result.usage = chunk.usage ?? result.usage;
    result.cocoon = chunk.cocoon ?? result.cocoon;
  }
  show.write('\n');
  result.ttft = Number((first - started).toFixed(1));
  const tokens = result.usage.completion_tokens;
  // In steady shape a short answer arrives in one frame: then the rate is over the whole request.
  const [count, span] = last - first > 1 ? [tokens - 1, last - first] : [tokens, last - started];
  result.rate = Number((count / (span / 1000)).toFixed(1));
  return result;
}

async function* serverSentEvents(body) {
  let pending = '';
  for await (const bytes of body.pipeThrough(new TextDecoderStream())) {
    pending += bytes;
    const events = pending.split('\n\n');
    pending = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, '');
      if (data === '[DONE]') return;
      if (!event.startsWith(':')) yield data;
    }
  }
  throw new Error('the stream ended before its end mark');
}

/** One transaction, sent and paid by the client; the chain's clock moves past the opening window first. */
async function close(network, cocoon) {
  await network.devnetCall('time', { advance: 61 });
  const settlement = JSON.parse(await network.cocoon('client', ['channels', 'close', cocoon.channel, '--yes', '-o', 'json']));
  progress(`channel closed together; ${settlement.claimed_total_nanoton} nanoTON to the provider`);
  // The closing voucher, at what is owed, is one more.
  return { transaction: settlement.settle_tx, total: settlement.claimed_total_nanoton, vouchers: cocoon.vouchers + 1, channel: cocoon.channel };
}

/** The provider redeems its vouchers alone; the channel stays open. */
async function claim(network, provider, cocoon) {
  const { channels } = JSON.parse(await network.cocoon('client', ['channels', '-o', 'json']));
  const channel = channels.find((c) => c.address === cocoon.channel);
  const claimed = JSON.parse(await network.cocoon(provider.data, ['channels', 'claim', channel.channel, '--yes', '-o', 'json']));
  progress(`provider claimed ${claimed.paid_nanoton} nanoTON`);
  return { transaction: claimed.transaction, total: claimed.paid_nanoton, vouchers: cocoon.vouchers, channel: cocoon.channel };
}

/** What the provider's wallet was charged when the money arrived: the fee of its own transaction. */
async function receiptFee(network, address, settled) {
  const transactions = await network.chain('getTransactions', { address, limit: 8 });
  const source = await network.chain('unpackAddress', { address: settled.channel });
  for (const transaction of transactions) {
    const from = transaction.in_msg?.source;
    if (from && (await network.chain('unpackAddress', { address: from })) === source) return BigInt(transaction.fee);
  }
  return 0n;
}

function receiptFile(network, options, id) {
  if (!id) throw new Error('the provider delivered no receipt');
  const kept = join(options.state, 'receipts');
  mkdirSync(kept, { recursive: true });
  const target = join(kept, `${id}.json`);
  copyFileSync(join(network.directory, 'client', 'receipts', `${id}.json`), target);
  return target;
}

async function modelDigest(network, options) {
  const file = options.model ? resolve(options.model) : join(network.program[0], '..', 'models', 'cocoon-guide.gguf');
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
