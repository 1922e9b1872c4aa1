// `memory EXPERIMENT.json`: what each stage would take, from the model's config.json alone; nothing is loaded.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ARCHITECTURES } from '../../src/model/architectures/index.ts';
import { shapeFromConfig } from '../../src/model/shape.ts';
import { PlaygroundError } from '../../src/shared/errors.ts';
import { memoryBudget, type StageBudget, unknownRows } from '../../src/shared/memory-budget.ts';
import { lendModel } from '../files.ts';
import { root } from '../once.mjs';
import { readExperiment } from './experiment.ts';

const columns = ['weights', 'adapters', 'activations', 'cache', 'total'] as const;

export function budgetTable(budgets: readonly StageBudget[]): string {
  const width = Math.max(5, ...budgets.map(({ stage }) => stage.length));
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1).padStart(12);
  return [
    `${'stage'.padEnd(width)}${columns.map((name) => name.padStart(12)).join('')}  (MB)`,
    ...budgets.map(
      (budget) => `${budget.stage.padEnd(width)}${columns.map((name) => megabytes(budget[name])).join('')}`,
    ),
  ].join('\n');
}

/** `longest`: tokens of the longest row; null assumes the model's whole context. */
export function memory(file: string, longest: number | null): void {
  const experiment = readExperiment(file);
  const { model, mounts } = lendModel(experiment.model, join(file, '..'));
  if (model.startsWith('hf:')) {
    throw new PlaygroundError(
      'bad-arguments',
      `${model} is on the hub, and this command reads nothing from there`,
      'Name a bundled model or a directory.',
    );
  }
  const directory = mounts['model']?.directory ?? join(root, 'models', model.slice('bundled:'.length));
  const config = join(directory, 'config.json');
  const json = JSON.parse(readFileSync(config, 'utf8')) as Record<string, unknown>;
  const architecture = ARCHITECTURES.get(String(json['model_type']));
  if (!architecture) {
    throw new PlaygroundError(
      'bad-model',
      `${config} is of a type that is not known here`,
      `Use a model of one of these types: ${[...ARCHITECTURES.keys()].join(', ')}.`,
    );
  }
  const shape = shapeFromConfig(architecture, architecture.parseConfig(json, config));
  const whole = Math.min(longest ?? shape.context, shape.context);
  console.log(budgetTable(memoryBudget(shape, experiment, unknownRows(experiment.stages, whole))));
}
