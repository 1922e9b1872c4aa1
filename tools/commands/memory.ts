// `memory EXPERIMENT.json`: what each stage would take, from the model's config.json alone; nothing is loaded.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../../src/model/read-config.ts';
import { shapeFromConfig } from '../../src/model/shape.ts';
import { PlaygroundError } from '../../src/shared/errors.ts';
import { memoryBudget, type StageBudget, unknownRows } from '../../src/shared/memory-budget.ts';
import { lendModel, placeOf } from '../files.ts';
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
  const lent = lendModel(experiment.model, join(file, '..'));
  const directory = placeOf(lent);
  if (directory === null) {
    throw new PlaygroundError(
      'bad-arguments',
      `${lent.model} is on the hub, and this command reads nothing from there`,
      'Name a bundled model or a directory.',
    );
  }
  const path = join(directory, 'config.json');
  const { architecture, config } = readConfig(readFileSync(path), path);
  const shape = shapeFromConfig(architecture, config);
  const whole = Math.min(longest ?? shape.context, shape.context);
  console.log(budgetTable(memoryBudget(shape, experiment, unknownRows(experiment.stages, whole))));
}
