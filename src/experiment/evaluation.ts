// The evaluate stage: the base model and every policy trained so far, on prompts kept apart. Its samples are rows of
// samples.jsonl, and it reads them back from there: a resumed run goes on after the last one.

import {
  type EvaluatedSample,
  evaluate,
  evaluationBatches,
  type EvaluationContext,
} from '../evaluate/evaluate';
import { measureAll } from '../evaluate/measures';
import { rewardFunction } from '../reward';
import { type EvaluateStage, type Stage, stageNames } from '../shared/experiment';
import { methodOf } from '../shared/methods';
import type { MetricsRow } from '../shared/protocol';
import { readText } from '../storage/run-store';
import { mean, metricsRow, type TrainState } from '../train/state';
import { bestOfNFindings, knownOptimum, optimumFindings } from './known-optimum';
import {
  contextOf,
  givenAdapters,
  lastBefore,
  readAdapter,
  readPrompts,
  rewardModelBefore,
  type RunningStage,
  type Workshop,
} from './workshop';

const SAMPLES = 'samples.jsonl';

export async function openEvaluation(
  workshop: Workshop,
  index: number,
  stage: EvaluateStage,
): Promise<RunningStage> {
  const { experiment, model, store, append } = workshop;
  const { name, seed } = contextOf(workshop, index);
  const prompts = await readPrompts(workshop, 'eval_prompts', stage.max_new_tokens);
  const rewardModel = await rewardModelBefore(workshop, index);
  // What the last policy was trained on judges the samples too, to be read beside the judge's verdict.
  const trainedOn = experiment.stages
    .slice(0, index)
    .findLast((other: Stage): other is Extract<Stage, { reward: unknown }> => 'reward' in other);
  const source = trainedOn?.reward ?? (rewardModel ? { kind: 'model' as const } : null);
  const trained = stageNames(experiment.stages).filter(
    (_, i) => i < index && methodOf(experiment.stages[i]!.kind).leaves === 'policy',
  );
  const given = 'sft' in givenAdapters(experiment) ? ['sft'] : [];
  const policies = new Set([...given, ...trained]);
  const candidates = [
    { name: 'base', adapter: null },
    ...(await Promise.all(
      Array.from(policies, async (policy) => ({
        name: policy,
        adapter: await readAdapter(workshop, policy),
      })),
    )),
  ];
  const reference = lastBefore(experiment, index, 'sft') ?? 'base';
  const optimum = knownOptimum(experiment, index, stage);
  const context: EvaluationContext = {
    model,
    name,
    seed,
    prompts,
    candidates,
    reference,
    reward: source && rewardFunction(source, model, rewardModel, workshop.warn),
    // With a rule of 1 and 0 much is known of what it writes.
    studied: optimum?.reference ?? (source?.kind === 'rule' ? reference : null),
  };
  const state: TrainState = { step: 0, adapters: {}, optimizers: {}, scalars: {} };

  async function* steps(): AsyncGenerator<MetricsRow> {
    for await (const samples of evaluate(context, stage, state.step)) {
      await append(SAMPLES, samples);
      state.step++;
      const row = metricsRow(name, state.step, {
        finish_rate: mean(samples.map(({ finished }) => Number(finished))),
        mean_length: mean(samples.map(({ token_ids }) => token_ids.length)),
        kl: mean(samples.map(({ kl }) => kl)),
      });
      yield { ...row, checkpoint: samples[0]!.checkpoint };
    }
  }

  return {
    state,
    totalSteps: evaluationBatches(context, stage.samples_per_prompt).length,
    steps,
    finish: async () => {
      const lines = ((await readText(store, SAMPLES)) ?? '').split('\n').filter((line) => line !== '');
      // Watched samples of training have no KL; those of an earlier evaluate stage come first.
      const rows = lines
        .map((line) => JSON.parse(line) as Partial<EvaluatedSample>)
        .filter(({ kl }) => kl !== undefined);
      const own = evaluationBatches(context, stage.samples_per_prompt).reduce(
        (count, { from, to, draws }) => count + (to - from) * draws.length,
        0,
      );
      const samples = rows.slice(-own) as EvaluatedSample[];
      const measured = measureAll(samples, prompts.length, reference, seed);
      const best = bestOfNFindings(reference, samples, prompts.length, seed);
      const findings = {
        ...(optimum && optimumFindings(optimum, samples, prompts.length, seed)),
        ...(best && { [name]: best }),
      };
      return { ...measured, findings };
    },
    dispose: () => {
      for (const { adapter } of candidates) adapter?.dispose();
      rewardModel?.adapter.dispose();
    },
  };
}
