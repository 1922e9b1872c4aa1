// The evaluate stage: the base model and every policy trained so far, on prompts kept apart. Its samples are rows of
// samples.jsonl, and it reads them back from there: a resumed run goes on after the last one.

import {
  type EvaluatedSample,
  evaluate,
  evaluationBatches,
  type EvaluationContext,
} from '../evaluate/evaluate';
import { measureAll } from '../evaluate/measures';
import { learnedReward } from '../reward/learned';
import { type EvaluateStage, stageNames } from '../shared/experiment';
import type { MetricsRow } from '../shared/protocol';
import { readText } from '../storage/run-store';
import { mean, metricsRow, type TrainState } from '../train/state';
import {
  contextOf,
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
  const policies = stageNames(experiment.stages).filter(
    (_, i) => i < index && ['sft', 'ppo'].includes(experiment.stages[i]!.kind),
  );
  const candidates = [
    { name: 'base', adapter: null },
    ...(await Promise.all(
      policies.map(async (policy) => ({ name: policy, adapter: await readAdapter(workshop, policy) })),
    )),
  ];
  const context: EvaluationContext = {
    model,
    name,
    seed,
    prompts,
    candidates,
    reference: lastBefore(experiment, index, 'sft') ?? 'base',
    reward: rewardModel && learnedReward(model, rewardModel),
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
      return measureAll(rows.slice(-own) as EvaluatedSample[], prompts.length, context.reference, seed);
    },
    dispose: () => {
      for (const { adapter } of candidates) adapter?.dispose();
      rewardModel?.adapter.dispose();
    },
  };
}
