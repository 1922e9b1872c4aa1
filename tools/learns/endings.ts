// The default experiment as the task: SFT, pairs and reward model are made once a seed, every method goes on from them,
// and the judge that no training knows says what came of it. Runs that are finished are kept, so that the command can
// be stopped and started again.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Experiment, Stage } from '../../src/shared/experiment.ts';
import type { StageKind } from '../../src/shared/methods.ts';
import type { Report } from '../../src/shared/protocol.ts';
import { settingsOf } from '../../src/shared/settings.ts';
import { defaultStage } from '../../src/shared/validate.ts';
import { readExperiment } from '../commands/experiment.ts';
import { run } from '../commands/run.ts';
import { PlaygroundError } from '../../src/shared/errors.ts';
import { root } from '../once.mjs';
import type { Place } from '../session.ts';
import type { Column, Learned, Row } from './table.ts';
import type { Task } from './token.ts';

const COLUMNS: readonly Column[] = [
  { name: 'happy', label: 'happy', share: true },
  { name: 'gain', label: 'points above SFT', share: true },
  { name: 'win_rate', label: 'win rate against SFT', share: true },
  { name: 'kl', label: 'KL, nats', share: false },
  { name: 'finish_rate', label: 'finished', share: true },
  { name: 'distinct_2', label: 'distinct-2', share: true },
];

/** What the default experiment asks of PPO and is a setting of the method too; the rest are its defaults. */
function settings(kind: StageKind, ppo: Stage, quick: boolean): Record<string, unknown> {
  const usual = defaultStage('ppo') as unknown as Record<string, unknown>;
  if (kind === 'ppo')
    return Object.fromEntries(
      Object.entries(ppo).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(usual[key])),
    );
  const { total_episodes, missing_eos_penalty } = ppo as Stage & { kind: 'ppo' };
  const wanted = { total_episodes, missing_eos_penalty, ...(quick && { max_steps: 10, warmup_steps: 0 }) };
  const keys = settingsOf(kind).map(({ key }) => key);
  return Object.fromEntries(Object.entries(wanted).filter(([key]) => keys.includes(key)));
}

/** Runs the experiment in `folder`, or goes on with it; its report. */
async function finished(experiment: unknown, seed: number, folder: string, place: Place): Promise<Report> {
  const report = join(folder, 'run/report.json');
  if (!existsSync(report)) {
    mkdirSync(folder, { recursive: true });
    const file = join(folder, 'experiment.json');
    writeFileSync(file, JSON.stringify(experiment, null, 2));
    const out = join(folder, 'run');
    const resume = existsSync(out);
    if (!(await run({ ...place, experiment: file, out, seed, killAt: null, resume })))
      throw new PlaygroundError(
        'bad-experiment',
        `The run in ${out} did not finish.`,
        'Start the command again.',
      );
  }
  return JSON.parse(readFileSync(report, 'utf8')) as Report;
}

export async function endings({ kinds, seeds, folder, quick, ...place }: Task): Promise<Learned> {
  const name = quick ? 'kind-endings-quick' : 'kind-endings';
  const base: Experiment = readExperiment(join(root, 'experiments', `${name}.json`));
  const at = base.stages.findIndex(({ kind }) => kind === 'ppo');
  const [ppo, evaluate] = [base.stages[at]!, base.stages.at(-1)];
  const rows = kinds.map((kind): Row => {
    const found = Object.fromEntries(COLUMNS.map((column) => [column.name, []]));
    return { kind, settings: settings(kind, ppo, quick), known: null, found };
  });
  let on = { backend: '', device: '' };
  for (const seed of seeds) {
    const shared = join(folder, `seed-${seed}/shared`);
    await finished({ ...base, stages: base.stages.slice(0, at) }, seed, shared, place);
    const data = {
      ...base.data,
      sft_model_path: '../shared/run/adapters/sft',
      reward_model_path: '../shared/run/adapters/reward',
      preferences: '../shared/run/pairs.jsonl',
    };
    for (const { kind, settings: own, found } of rows) {
      const experiment = { ...base, name: `${name}-${kind}`, data, stages: [{ kind, ...own }, evaluate] };
      const report = await finished(experiment, seed, join(folder, `seed-${seed}`, kind), place);
      on = { backend: report.backend, device: report.device };
      const against = report.comparisons[`${kind}>sft`];
      const figures = {
        ...report.evaluation[kind],
        gain: against?.differences?.['happy'],
        win_rate: against?.win_rate,
      } as Record<string, { value: number } | undefined>;
      for (const column of COLUMNS) found[column.name]!.push(figures[column.name]?.value ?? NaN);
    }
  }
  return {
    task: 'kind endings',
    about: [
      'The default experiment: SFT, preferences and reward model are made once a seed and shared; every method goes on',
      'from there, and its endings are judged by a scorer that no training has seen.',
    ],
    date: new Date().toISOString().slice(0, 10),
    ...on,
    seeds,
    columns: COLUMNS,
    rows,
  };
}
