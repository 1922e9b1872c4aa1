// Ours and plain tfjs, by the same code of ours: training by the generators that the playground itself runs, generation
// by its `generate`. Plain tfjs is that code with none of our kernels registered, so that every op is its reference of
// stock ops, on stock tfjs with all the threads it can use.

import { openDevice } from '../../src/engine/device';
import { matmul } from '../../src/engine/ops/matmul';
import { webgpuBackend } from '../../src/engine/private';
import { normals } from '../../src/engine/random';
import { tf } from '../../src/engine/tf';
import { wasmPaths } from '../../src/engine/wasm-paths';
import { gptNeo } from '../../src/model/architectures/gpt-neo';
import { generate } from '../../src/model/generate';
import { disposeModel, loadModel } from '../../src/model/load';
import { Adapter } from '../../src/model/lora';
import type { LanguageModel } from '../../src/model/types';
import type { RewardFunction } from '../../src/reward';
import type { MetricsRow } from '../../src/shared/protocol';
import { defaultStage } from '../../src/shared/validate';
import { ppo, startPpo } from '../../src/train/ppo';
import { sft, startSft } from '../../src/train/sft';
import { disposeState, mean, sum } from '../../src/train/state';
import type { Contestant, Job } from '../contestant';
import { lora, modelData, readBundled, tokenRows, training } from '../data';
import { repeats, type Model, type Work } from '../plan';

export const ours: Contestant = {
  open: async (backend) => (await openDevice(backend)).adapter,
  prepare,
};

export const plain: Contestant = {
  async open(backend) {
    if (backend === 'webgpu') {
      const { adapter } = await openDevice('webgpu');
      tf.env().set('WEBGPU_CPU_FORWARD', true); // as tfjs has it
      for (const { kernelName } of tf.getKernelsForBackend('webgpu')) {
        if (kernelName.startsWith('Rlhf')) tf.unregisterKernel(kernelName, 'webgpu');
      }
      return adapter;
    }
    const wasm = await import('@tensorflow/tfjs-backend-wasm');
    wasm.setThreadsCount(globalThis.navigator.hardwareConcurrency);
    wasm.setWasmPaths(wasmPaths);
    await tf.setBackend('wasm');
    await tf.ready();
    return `CPU, ${wasm.getThreadsCount()} threads`;
  },
  prepare,
};

let known: { name: string; model: LanguageModel } | undefined;

/** The model on the device; the last one is kept, as several workloads in turn use it. */
async function languageModel(spec: Model): Promise<LanguageModel> {
  if (known?.name === spec.name) return known.model;
  if (known) disposeModel(known.model);
  const { config, weights } = await modelData(spec);
  const model: LanguageModel = {
    name: spec.name,
    architecture: gptNeo,
    config: { ...config, eosId: null }, // every completion then has the length asked for
    weights: new Map(Array.from(weights, ([key, { values, shape }]) => [key, tf.tensor(values, shape)])),
    tokenizer: null,
    parameters: sum(Array.from(weights.values(), ({ values }) => values.length)),
  };
  known = { name: spec.name, model };
  return model;
}

const adapterFor = (model: LanguageModel, { model: { targets } }: Work): Adapter =>
  Adapter.create(model, { ...lora, target_modules: targets }, 1);

async function prepare(work: Work): Promise<Job> {
  switch (work.kind) {
    case 'matmul':
      return products(work.size);
    case 'copy':
      return copies(work.size);
    case 'load':
      return { run: load, dispose: () => undefined };
  }
  const model = await languageModel(work.model);
  switch (work.kind) {
    case 'sft':
      return sftSteps(model, work);
    case 'ppo':
      return ppoUpdates(model, work);
    default:
      return generation(model, work);
  }
}

/** A number of the next row of metrics. */
async function next(rows: AsyncGenerator<MetricsRow>, metric: string): Promise<number> {
  const { value } = (await rows.next()) as IteratorYieldResult<MetricsRow>;
  return Number(value[metric]);
}

function sftSteps(model: LanguageModel, work: Work): Job {
  const start = adapterFor(model, work);
  const state = startSft(start);
  const train = tokenRows(work).map((ids) => ({ ids, promptLength: work.prompt, prompt: '' }));
  const stage = {
    ...defaultStage('sft'),
    ...training,
    max_steps: 1e6,
    per_device_train_batch_size: work.batch,
    early_stopping_patience: null,
  };
  const context = { model, name: 'sft', seed: 1, train, heldOut: [], onSample: () => undefined };
  const steps = sft(context, stage, state);
  return {
    run: async () => [await next(steps, 'loss')],
    dispose: () => {
      start.dispose();
      disposeState(state);
    },
  };
}

/** Even ids are good: as cheap as a reward can be. */
const evenIds: RewardFunction = (rows) =>
  Promise.resolve(rows.map(({ tokens }) => mean(tokens.map((id) => 1 - (id % 2)))));

async function ppoUpdates(model: LanguageModel, work: Work): Promise<Job> {
  const { batch, prompt, completion } = work;
  const reference = adapterFor(model, work);
  const stage = {
    ...defaultStage('ppo'),
    ...training,
    total_episodes: 1e9,
    per_device_train_batch_size: batch,
    num_mini_batches: 1,
    num_ppo_epochs: 2,
    response_length: completion,
    target_kl: null,
  };
  const state = await startPpo(stage, reference, null, model.config.width);
  const prompts = tokenRows(work).map((ids) => ({ text: '', ids: ids.slice(0, prompt) }));
  const context = {
    model,
    name: 'ppo',
    seed: 1,
    prompts,
    reference,
    reward: evenIds,
    onSample: () => undefined,
  };
  const updates = ppo(context, stage, state);
  return {
    run: async () => [(await next(updates, 'objective/entropy')) / completion],
    dispose: () => {
      reference.dispose();
      disposeState(state);
    },
  };
}

/** A rollout is the policy's, with its adapter; a single stream is the bare model's. */
function generation(model: LanguageModel, work: Work): Job {
  const adapter = work.kind === 'rollout' ? adapterFor(model, work) : null;
  const prompts = tokenRows(work).map((ids) => ids.slice(0, work.prompt));
  return {
    async run() {
      const { logprobs } = await generate(model, adapter, prompts, {
        maxNewTokens: work.completion,
        minNewTokens: 0,
        temperature: 1,
        topK: 0,
        topP: 1,
        seed: 1,
        streams: [...prompts.keys()],
      });
      return logprobs.map(mean);
    },
    dispose: () => adapter?.dispose(),
  };
}

async function load(): Promise<number[]> {
  const model = await loadModel('stories-neo', readBundled);
  const options = {
    maxNewTokens: 1,
    minNewTokens: 0,
    temperature: 0,
    topK: 0,
    topP: 1,
    seed: 1,
    streams: [0],
  };
  const { logprobs } = await generate(model, null, [[1]], options);
  disposeModel(model);
  return logprobs.map(mean);
}

/** Until the GPU has run what was recorded. */
async function settled(): Promise<void> {
  if (tf.getBackend() !== 'webgpu') return;
  const backend = webgpuBackend();
  backend.endComputePassEncoder();
  if (backend.commandEncoder) backend.submitQueue();
  await backend.queue.onSubmittedWorkDone();
}

function products(size: number): Job {
  const [a, b] = [1, 2].map((seed) => tf.tensor2d(normals(size * size, seed), [size, size])) as [
    tf.Tensor2D,
    tf.Tensor2D,
  ];
  return {
    async run() {
      for (let i = 0; i < repeats; i++) matmul(a, b).dispose();
      await settled();
      return [];
    },
    dispose: () => tf.dispose([a, b]),
  };
}

/** From one buffer of the device to another. */
function copies(megabytes: number): Job {
  const bytes = megabytes * 2 ** 20;
  if (tf.getBackend() !== 'webgpu') {
    const [from, to] = [new Float32Array(bytes / 4).fill(1), new Float32Array(bytes / 4)];
    return {
      run: () => {
        for (let i = 0; i < repeats; i++) to.set(from);
        return Promise.resolve([]);
      },
      dispose: () => undefined,
    };
  }
  const { device, queue } = webgpuBackend();
  const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const [from, to] = [
    device.createBuffer({ size: bytes, usage }),
    device.createBuffer({ size: bytes, usage }),
  ];
  return {
    async run() {
      const encoder = device.createCommandEncoder();
      for (let i = 0; i < repeats; i++) encoder.copyBufferToBuffer(from, 0, to, 0, bytes);
      queue.submit([encoder.finish()]);
      await queue.onSubmittedWorkDone();
      return [];
    },
    dispose: () => [from, to].forEach((buffer) => buffer.destroy()),
  };
}
