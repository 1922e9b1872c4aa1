// The task of one token: after an opening a small model says the rewarded token with probability p, and a method's best
// policy says it with a probability that follows from p and the price of KL alone. It is read off the trained adapter
// exactly, not sampled. The model is a Llama of 260K parameters that was trained on stories, so that this takes minutes.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { uniform } from '../../src/engine/random.ts';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import type { Experiment, Stage } from '../../src/shared/experiment.ts';
import { methodOf, type StageKind } from '../../src/shared/methods.ts';
import { pureSampling } from '../../src/shared/sampling.ts';
import { settingsOf } from '../../src/shared/settings.ts';
import { defaultStage } from '../../src/shared/validate.ts';
import type { Event } from '../../src/shared/protocol.ts';
import { runEnd } from '../commands/run.ts';
import { lendModel } from '../files.ts';
import { root } from '../once.mjs';
import { withSession, type Place, type Request } from '../session.ts';
import type { Column, Learned, Row } from './table.ts';

export interface Task extends Place {
  kinds: readonly StageKind[];
  seeds: readonly number[];
  /** Where runs leave their files. */
  folder: string;
  quick: boolean;
}

const MODEL = 'tests/fixtures/llama-stories260K';
const PROMPT = 'She was';
/** With its leading space. */
const TOKEN = ' very';
const BETA = 0.5;
const PAIRS = 1200;

/** Settings that make it this task; those a method does not have are left out. */
const WANTED: Record<string, unknown> = {
  reward: { kind: 'tokens', weights: { [TOKEN]: 1 } },
  ...{ response_length: 1, max_completion_length: 1, max_new_tokens: 1, temperature: 1 },
  ...{ kl_coef: BETA, beta: BETA },
  // Dividing by the deviation of a group would change the price of KL from group to group.
  scale_rewards: 'none',
  eval_fraction: 0,
};

function settings(kind: StageKind, quick: boolean): Record<string, unknown> {
  const wanted = { ...WANTED, ...(quick && { total_episodes: 64, max_steps: 4, warmup_steps: 0 }) };
  const keys = settingsOf(kind).map(({ key }) => key);
  // β prices the KL only where there is a reference to measure it from.
  const own = (key: string) =>
    keys.includes(key) && (key !== 'beta' || methodOf(kind).holdsReference === true);
  return Object.fromEntries(Object.entries(wanted).filter(([key]) => own(key)));
}

/** The probability of the token under the method's optimum, from that under the reference; null where none is known.
 *  DPO's is, because its pairs are labelled by Bradley and Terry's rule with the same reward. */
export const target = (stage: Stage, p: number): number | null =>
  methodOf(stage.kind).best?.(p, stage as never) ?? null;

/** What the worker is asked, and how. */
interface Desk {
  request: Request;
  model: string;
  /** The rewarded token. */
  id: number;
}

/** The id of the rewarded token. */
async function rewardedToken(): Promise<number> {
  const text = (name: string): string => readFileSync(join(root, MODEL, name), 'utf8');
  const tokenizer = await createTokenizer(text('tokenizer.json'), text('tokenizer_config.json'), MODEL);
  return Array.from({ length: tokenizer.vocabulary }, (_, id) => tokenizer.textOf(id)).indexOf(TOKEN);
}

/** The log-probability of every token of the vocabulary after the opening, under an adapter or the bare model. */
async function logprobs({ request, model }: Desk, adapter: string | null): Promise<number[]> {
  const config = JSON.parse(readFileSync(join(root, MODEL, 'config.json'), 'utf8')) as { vocab_size: number };
  const rows = Array.from({ length: config.vocab_size }, (_, id) =>
    JSON.stringify({ prompt: PROMPT, completion_ids: [id] }),
  ).join('\n');
  const scored = await request({ type: 'score', request: 1, model, adapter, rows, source: 'token' }, rowsOf);
  return scored
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { sum: number }).sum);
}

/** What a policy is, exactly: the probability of the token `id`, its KL from the bare model, how much of what there is to
 *  gain in E[r] − β·KL it has, and for how much of what else the bare model says it finds the token likelier. */
export function figures(
  policy: readonly number[],
  reference: readonly number[],
  id: number,
): Record<string, number> {
  const p = Math.exp(reference[id]!);
  const reached = Math.exp(policy[id]!);
  const kl = policy.reduce((sum, logp, i) => sum + Math.exp(logp) * (logp - reference[i]!), 0);
  const best = BETA * Math.log(1 - p + p * Math.exp(1 / BETA));
  const below = reference.reduce((sum, logp, i) => sum + (policy[i]! < policy[id]! ? Math.exp(logp) : 0), 0);
  return { reached, kl, gained: (reached - BETA * kl - p) / (best - p), preferred: below / (1 - p) };
}

const COLUMNS: readonly Column[] = [
  { name: 'reached', label: `P("${TOKEN.trim()}")`, share: true },
  { name: 'kl', label: 'KL, nats', share: false },
  { name: 'gained', label: 'of the best E[r] − β·KL', share: true },
  { name: 'preferred', label: 'likelier than what else is said', share: true },
];

/** Tokens that the bare model goes on with. */
async function written({ request, model }: Desk, n: number, seed: number): Promise<number[]> {
  const rows = `${JSON.stringify({ prompt: PROMPT })}\n`;
  const options = pureSampling({ maxNewTokens: 1, seed });
  const command = {
    type: 'generateRows',
    request: 2,
    model,
    adapter: null,
    rows,
    source: 'pairs',
    n,
    options,
  } as const;
  const { token_ids } = JSON.parse(await request(command, rowsOf)) as { token_ids: number[][] };
  return token_ids.flat();
}

const rowsOf = (event: Event): string | undefined => (event.type === 'rows' ? event.rows : undefined);

/** Pairs of the bare model's own tokens that differ in reward, labelled as Bradley and Terry have it: the rewarded one is
 *  chosen with odds of e : 1. Ties are dropped, as the pairs stage does. */
async function pairs(desk: Desk, seed: number): Promise<string> {
  const tokens = await written(desk, 2 * PAIRS, seed);
  return tokens
    .filter((id) => id !== desk.id)
    .slice(0, PAIRS)
    .map((other, i) => {
      const both = [[desk.id], [other]];
      const [chosen, rejected] = uniform(seed, 'label', i) < 1 / (1 + Math.exp(-1)) ? both : both.reverse();
      return `${JSON.stringify({ prompt: PROMPT, chosen_ids: chosen, rejected_ids: rejected })}\n`;
    })
    .join('');
}

export async function token({ kinds, seeds, folder, quick, ...place }: Task): Promise<Learned> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'prompts.jsonl'), `${JSON.stringify({ prompt: PROMPT })}\n`);
  let on = { backend: '', device: '' };
  const { model, mounts } = lendModel(MODEL, root);
  return withSession(
    {
      ...place,
      mounts: { ...mounts, out: { directory: folder, writable: true } },
      onEvent: (event) => {
        if (event.type === 'device') on = { backend: event.device.backend, device: event.device.adapter };
      },
    },
    async (request) => {
      const id = await rewardedToken();
      const desk: Desk = { request, model, id };
      const reference = await logprobs(desk, null);
      const p = Math.exp(reference[id]!);
      const rows = kinds.map((kind): Row => {
        const own = settings(kind, quick);
        const known = target({ ...defaultStage(kind), ...own }, p);
        return {
          kind,
          settings: own,
          known,
          found: Object.fromEntries(COLUMNS.map(({ name }) => [name, []])),
        };
      });
      for (const seed of seeds) {
        writeFileSync(join(folder, `pairs-${seed}.jsonl`), await pairs(desk, seed));
        for (const { kind, settings: own, found } of rows) {
          const name = `${kind}-${seed}`;
          const stage = { ...defaultStage(kind), ...own };
          await request(
            {
              type: 'start',
              runId: `dir:/files/out/${name}`,
              experiment: experiment(model, stage, seed),
              resume: false,
            },
            runEnd,
          );
          const policy = await logprobs(desk, `dir:/files/out/${name}/adapters/${kind}`);
          const reached = figures(policy, reference, id);
          for (const [column, value] of Object.entries(reached)) found[column]!.push(value);
          console.error(`seed ${seed}, ${kind}: ${JSON.stringify(reached)}`);
        }
      }
      return {
        task: 'one token',
        about: [
          `A Llama of 260K parameters goes on "${PROMPT}" with "${TOKEN.trim()}" in ${(100 * p).toFixed(1)} % of cases; that token is`,
          `rewarded with 1, at β = ${BETA} where a method has a price of KL. All figures are exact, read off the whole`,
          `distribution under the trained adapter. DPO, KTO, ORPO and SimPO learn from ${PAIRS} pairs of the token with others`,
          "that the model says, labelled by Bradley and Terry's rule with the same reward. Where no target stands, the method",
          'has an optimum that does not follow from the reward and β alone.',
        ],
        date: new Date().toISOString().slice(0, 10),
        ...on,
        seeds,
        columns: COLUMNS,
        rows,
      };
    },
  );
}

const experiment = (model: string, stage: Stage, seed: number): Experiment => ({
  format: 1,
  name: `one-token-${stage.kind}`,
  model,
  seed,
  lora: { r: 8, lora_alpha: 16, lora_dropout: 0, target_modules: ['q_proj', 'v_proj'], use_rslora: false },
  data: { prompts: '/files/out/prompts.jsonl', preferences: `/files/out/pairs-${seed}.jsonl` },
  stages: [stage],
});
