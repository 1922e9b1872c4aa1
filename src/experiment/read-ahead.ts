// Everything that a run will read is read before its first stage: a row at fault, a completion that would leave the
// context, or a rule with no text to read is told at once and not after an hour of other stages. What the stages make
// themselves is always in order.

import { fitRows } from '../data/inspect';
import type { PromptRow } from '../data/records';
import { readRows, readSource } from '../data/sources';
import type { LanguageModel } from '../model/types';
import { rewardFunction } from '../reward';
import { newTokens } from '../shared/budget';
import { PlaygroundError } from '../shared/errors';
import { DATA_PARTS, type DataPart } from '../shared/look';
import { stageNames } from '../shared/experiment';
import { methodOf } from '../shared/methods';
import { labellerOf } from './pairs';
import type { Workshop } from './workshop';

/** For the stages from `first` on. Throws `bad-data`, `bad-experiment`, `too-long` or `not-found`. */
export async function readAhead(
  { experiment, model, readData }: Pick<Workshop, 'experiment' | 'model' | 'readData'>,
  first: number,
): Promise<void> {
  const { data, stages } = experiment;
  const { context } = model.config;
  const names = stageNames(stages);
  /** By part, the most tokens that a stage adds to its prompts. */
  const wanted = new Map<DataPart, number>();
  for (const [i, stage] of stages.entries()) {
    if (i < first) continue;
    if ('max_length' in stage && stage.max_length > context) {
      throw new PlaygroundError(
        'too-long',
        `Stage ${names[i]}: max_length is ${stage.max_length}, and the context of ${model.name} ${context}.`,
        `Lower max_length to ${context} or less.`,
      );
    }
    // A file of preferences takes the place of the pairs this stage would make.
    if (stage.kind === 'pairs' && data.preferences !== undefined) continue;
    if ('labeller' in stage) labellerOf(stage.labeller.name, model);
    // A reward that cannot be had; the reward model is trained on the way.
    if ('reward' in stage && stage.reward.kind !== 'model') rewardFunction(stage.reward, model, null);
    const { needs, leaves } = methodOf(stage.kind);
    for (const { what, labels } of needs) {
      if (what === 'pairs' && data.preferences !== undefined) {
        const type = labels ? 'any-preference' : 'preference';
        const rows = await readRows(data.preferences, type, readData);
        if (leaves === 'policy') refuseBare(rows, data.preferences, model);
      }
      const part = what === 'pairs' ? 'preferences' : what;
      if (isPart(part)) wanted.set(part, Math.max(wanted.get(part) ?? 0, newTokens(stage)));
    }
  }
  for (const [part, most] of wanted) {
    const source = data[part];
    if (source !== undefined) fitRows(await readSource(source, readData), source, part, model, most);
  }
}

/** Refuses a row whose texts part at once: a policy has nothing to go on from there. */
function refuseBare(rows: readonly PromptRow[], source: string, { tokenizer }: LanguageModel): void {
  const begun = (tokenizer?.encode('', { special: true }).length ?? 0) > 0;
  const bare = rows.find(({ prompt }) => prompt.length === 0 && !(typeof prompt === 'string' && begun));
  if (!bare) return;
  throw new PlaygroundError(
    'bad-data',
    `${source}, line ${bare.line}: its texts part at once, so that there is no prompt for the policy to go on from.`,
    'Give every row a "prompt" beside "chosen" and "rejected".',
  );
}

const isPart = (name: string): name is DataPart => DATA_PARTS.some((part) => part === name);
