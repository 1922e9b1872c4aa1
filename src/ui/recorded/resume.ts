// "Run PPO live from here": the end of a recorded experiment, from PPO on, with the recorded SFT and reward adapters in
// the place of the stages before it.

import type { Experiment } from '../../shared/experiment';
import type { Recording } from '../../shared/recording';

/** Where a run keeps the adapters it begins with, beside its experiment. */
const PLACE = 'recorded';

/** The experiment and the files it begins with, by their path in the new run; null where there is no such PPO. */
export function ppoFrom({
  run: { experiment },
  adapters,
}: Recording): { experiment: Experiment; files: Map<string, Uint8Array> } | null {
  const at = experiment.stages.findLastIndex(({ kind }) => kind === 'ppo');
  const ppo = experiment.stages[at];
  const has = (stage: string): boolean => adapters.has(`${stage}/adapter_model.safetensors`);
  if (ppo?.kind !== 'ppo' || ppo.reward.kind !== 'model' || !has('sft') || !has('reward')) return null;
  const files = Array.from(adapters, ([path, bytes]) => [`${PLACE}/${path}`, bytes] as const);
  const data = {
    ...experiment.data,
    sft_model_path: `${PLACE}/sft`,
    reward_model_path: `${PLACE}/reward`,
  };
  return {
    experiment: { ...experiment, name: `${experiment.name}-ppo`, data, stages: experiment.stages.slice(at) },
    files: new Map(files.filter(([path]) => /\/(sft|reward)\//.test(path))),
  };
}
