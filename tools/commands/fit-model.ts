// Whether an experiment fits the model it names, as far as its config.json tells: the layers that adapters are to stand
// in, and lengths. Told by line and field, before a device is opened.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../../src/model/read-config.ts';
import type { LinearLayer } from '../../src/model/types.ts';
import { PlaygroundError } from '../../src/shared/errors.ts';
import { type Experiment, givenSft } from '../../src/shared/experiment.ts';
import { methodOf } from '../../src/shared/methods.ts';
import { nearest } from '../../src/shared/nearest.ts';
import { lineOfField } from '../../src/shared/validate.ts';
import { readInput } from '../files.ts';

interface Misfit {
  /** The field, like `lora.target_modules[1]`. */
  path: string;
  what: string;
  fix: string;
}

/** `directory` holds the model; messages call it what the experiment does. Throws `bad-model`, `bad-experiment`. */
export function checkFit(experiment: Experiment, file: string, directory: string): void {
  const path = join(directory, 'config.json');
  const { architecture, config } = readConfig(readFileSync(path), path);
  const misfit =
    layerMisfit(experiment, architecture.linears(config)) ?? lengthMisfit(experiment, config.context);
  if (!misfit) return;
  const line = lineOfField(readInput(file), file, misfit.path);
  throw new PlaygroundError(
    'bad-experiment',
    `${file}, line ${line}: ${misfit.path} ${misfit.what}.`,
    misfit.fix,
  );
}

/** A name of `target_modules` that no linear layer has, where an adapter is to be made. */
function layerMisfit({ model, lora, data, stages }: Experiment, layers: LinearLayer[]): Misfit | null {
  // A given SFT adapter brings its own layers, and comparing trains nothing.
  const comparing = stages.every(({ kind }) =>
    methodOf(kind).needs.every(({ what }) => what === 'eval_prompts'),
  );
  if (lora.use_peft === false || givenSft(data) !== undefined || comparing) return null;
  const i = lora.target_modules.findIndex(
    (target) => !layers.some(({ name }) => name === target || name.endsWith(`.${target}`)),
  );
  if (i < 0) return null;
  const wrong = lora.target_modules[i]!;
  const known = [...new Set(layers.map(({ name }) => name.slice(name.lastIndexOf('.') + 1)))];
  const near = nearest(wrong, known);
  const hint = near === null ? '' : ` Did you mean "${near}"?`;
  return {
    path: `lora.target_modules[${i}]`,
    what: `is "${wrong}", and ${model} has no linear layer of that name`,
    fix: `It may be one of: ${known.join(', ')}.${hint}`,
  };
}

const WRITTEN = ['response_length', 'max_completion_length', 'max_new_tokens'] as const;

/** Rows or completions for which the model's context has no room, not even after the shortest prompt. */
function lengthMisfit({ model, data, stages }: Experiment, context: number): Misfit | null {
  for (const [i, stage] of stages.entries()) {
    // A file of preferences takes the place of the pairs this stage would make.
    if (stage.kind === 'pairs' && data.preferences !== undefined) continue;
    const lengths = stage as unknown as Readonly<Record<string, number | undefined>>;
    const key = [...WRITTEN, 'max_length'].find((name) => lengths[name] !== undefined);
    const most = key === 'max_length' ? context : context - 1;
    if (key === undefined || lengths[key]! <= most) continue;
    const prompt = key === 'max_length' ? '' : ', prompt included';
    return {
      path: `stages[${i}].${key}`,
      what: `is ${lengths[key]}, and the context of ${model} is ${context} tokens${prompt}`,
      fix: `Lower it to ${most} or less.`,
    };
  }
  return null;
}
