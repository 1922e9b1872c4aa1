import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { contradictions } from '../../shared/contradictions';
import { parseExperiment } from '../../shared/validate';
import { asEdited, derive } from './derive';

const shipped = (name: string) =>
  parseExperiment(readFileSync(`experiments/${name}.json`, 'utf8'), name).experiment;
const parent = shipped('kind-endings');

describe('a run with judgements', () => {
  it('trains the reward on them, then PPO from SFT, with the settings it came with', () => {
    const { experiment, adapters } = derive(parent, ['ppo', 'reward', 'sft'], 'sft')!;
    expect(experiment.stages).toEqual(parent.stages.slice(1));
    expect(experiment.data).toEqual({
      prompts: parent.data.prompts,
      eval_prompts: parent.data.eval_prompts,
      preferences: 'preferences.jsonl',
      sft_model_path: 'adapters/sft',
    });
    expect(adapters).toEqual([{ from: 'sft', to: 'sft' }]);
    expect(experiment.name).toBe('kind-endings-judged');
  });

  it('goes on from the policy, held to SFT', () => {
    const { experiment, adapters } = derive(parent, ['ppo', 'reward', 'sft'], 'policy')!;
    expect(experiment.data).toMatchObject({
      sft_model_path: 'adapters/sft',
      policy_model_path: 'adapters/policy',
    });
    expect(adapters).toEqual([
      { from: 'sft', to: 'sft' },
      { from: 'ppo', to: 'policy' },
    ]);
    expect(derive(parent, ['sft'], 'policy')).toBeNull();
  });

  it('goes on from a policy that no SFT came before, held to the bare model', () => {
    const { experiment, adapters } = derive(
      { ...parent, stages: parent.stages.slice(1) },
      ['ppo'],
      'policy',
    )!;
    expect(experiment.data).toMatchObject({ sft_model_path: 'base', policy_model_path: 'adapters/policy' });
    expect(adapters).toEqual([{ from: 'ppo', to: 'policy' }]);
    expect(contradictions(experiment).filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('takes up what was edited since of its stages, and no other model or data', () => {
    const draft = structuredClone(parent);
    const ppo = draft.stages.find((stage) => stage.kind === 'ppo')!;
    Object.assign(draft, { model: 'own:other', data: {} });
    ppo.kl_coef = 0.3;
    const edited = asEdited(parent, draft);
    expect(edited.stages).toEqual(draft.stages);
    expect(edited).toMatchObject({ model: parent.model, data: parent.data });
    expect(asEdited(parent, { ...draft, stages: draft.stages.slice(1) }), 'other stages').toEqual(parent);
  });

  it('can be judged and derived from again', () => {
    const first = derive(parent, ['ppo', 'reward', 'sft'], 'sft')!.experiment;
    const again = derive(first, ['ppo', 'reward', 'sft'], 'policy')!;
    expect(again.experiment.name).toBe('kind-endings-judged');
    expect(again.adapters.map(({ from }) => from)).toEqual(['sft', 'ppo']);
  });

  it('gets default stages where the run had none, a reward model in place of a rule', () => {
    const { experiment } = derive(shipped('kind-endings-rule'), ['sft'], 'sft')!;
    expect(experiment.stages.map(({ kind }) => kind)).toEqual(['reward', 'ppo', 'evaluate']);
    expect(experiment.stages[1]).toMatchObject({ reward: { kind: 'model' }, kl_coef: 0.5 });
  });

  it.each(['sft', 'policy'] as const)('is an experiment that can run and be read back (%s)', (start) => {
    const { experiment } = derive(parent, ['sft', 'ppo'], start)!;
    expect(contradictions(experiment).filter(({ level }) => level === 'error')).toEqual([]);
    expect(parseExperiment(JSON.stringify(experiment), 'derived').experiment).toEqual(experiment);
  });
});
