// Ours and plain tfjs, by the same code of ours: training by the generators that the playground itself runs, generation
// by its `generate`. Plain tfjs is that code with none of our kernels registered (on WebGPU, all but two), so that every
// op is its reference of stock ops, on stock tfjs with all the threads it can use.

import { onDeviceProblem, openDevice } from '../../src/engine/device';
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
import { startPolicy } from '../../src/train/rows';
import { sft } from '../../src/train/sft';
import { mean, sum } from '../../src/train/state';
import { chooseKernels } from '../../src/worker/tuning';
import type { Contestant, Job } from '../contestant';
import { lora, modelData, modelFiles, tokenRows, training } from '../data';
import { repeats, transposed, type Model, type Work } from '../plan';

/** What no promise reports: the device lost, or a command refused, after which times mean nothing. */
let problem: Error | null = null;
onDeviceProblem((reported) => (problem ??= reported));

const checked =
  (job: Job): Job =>
  async () => {
    const numbers = await job();
    if (problem) throw problem;
    return numbers;
  };

export const ours: Contestant = {
  async open(backend) {
    const report = await openDevice(backend);
    await chooseKernels(report); // as before every run
    return report.adapter;
  },
  prepare,
};

/**
 * Their references read numbers synchronously, which tfjs does on WebGPU through a canvas: slow, and on a software adapter,
 * where no canvas can be had, the end of the device. So plain tfjs keeps these two kernels there, to its advantage.
 */
const reading = ['RlhfSample', 'RlhfAdamW'];

export const plain: Contestant = {
  async open(backend) {
    if (backend === 'webgpu') {
      const { adapter } = await openDevice('webgpu');
      tf.env().set('WEBGPU_CPU_FORWARD', true); // as tfjs has it
      for (const { kernelName } of tf.getKernelsForBackend('webgpu')) {
        if (kernelName.startsWith('Rlhf') && !reading.includes(kernelName)) {
          tf.unregisterKernel(kernelName, 'webgpu');
        }
      }
      return adapter;
    }
    const wasm = await import('@tensorflow/tfjs-backend-wasm');
    // It takes at most half as many threads as there are processors; ours takes as many, and so shall this.
    const processors = globalThis.navigator.hardwareConcurrency;
    Object.defineProperty(globalThis.navigator, 'hardwareConcurrency', { value: 2 * processors });
    wasm.setThreadsCount(processors);
    wasm.setWasmPaths(wasmPaths);
    await tf.setBackend('wasm');
    await tf.ready();
    return `CPU, ${wasm.getThreadsCount()} threads`;
  },
  prepare,
};

/** The model on the device. */
async function languageModel(spec: Model): Promise<LanguageModel> {
  const { config, weights } = await modelData(spec);
  return {
    name: spec.name,
    architecture: gptNeo,
    config: { ...config, eosId: null }, // every completion then has the length asked for
    weights: new Map(Array.from(weights, ([key, { values, shape }]) => [key, tf.tensor(values, shape)])),
    tokenizer: null,
    parameters: sum(Array.from(weights.values(), ({ values }) => values.length)),
  };
}

const adapterFor = (model: LanguageModel, { model: { targets } }: Work): Adapter =>
  Adapter.create(model, { ...lora, target_modules: targets }, 1);

async function prepare(work: Work): Promise<Job> {
  return checked(await jobOf(work));
}

async function jobOf(work: Work): Promise<Job> {
  switch (work.kind) {
    case 'matmul':
      return products(work);
    case 'copy':
      return copies(work.size);
    case 'load':
      return loads(work.model);
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
  const state = startPolicy(adapterFor(model, work));
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
  return async () => [await next(steps, 'loss')];
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
  return async () => [(await next(updates, 'objective/entropy')) / completion];
}

/** A rollout is the policy's, with its adapter; a single stream is the bare model's. */
function generation(model: LanguageModel, work: Work): Job {
  const adapter = work.kind === 'rollout' ? adapterFor(model, work) : null;
  const prompts = tokenRows(work).map((ids) => ids.slice(0, work.prompt));
  return async () => {
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
  };
}

/** From the files in memory to the first token. */
async function loads(model: Model): Promise<Job> {
  const files = await modelFiles(model);
  const options = {
    maxNewTokens: 1,
    minNewTokens: 0,
    temperature: 0,
    topK: 0,
    topP: 1,
    seed: 1,
    streams: [0],
  };
  return async () => {
    const loaded = await loadModel(model.name, files);
    const { logprobs } = await generate(loaded, null, [[1]], options);
    disposeModel(loaded);
    return logprobs.map(mean);
  };
}

/** Until the GPU has run what was recorded. */
async function settled(): Promise<void> {
  if (tf.getBackend() !== 'webgpu') return;
  const backend = webgpuBackend();
  backend.endComputePassEncoder();
  if (backend.commandEncoder) backend.submitQueue();
  await backend.queue.onSubmittedWorkDone();
}

function products({ size, product }: Work): Job {
  const [a, b] = [1, 2].map((seed) => tf.tensor2d(normals(size * size, seed), [size, size])) as [
    tf.Tensor2D,
    tf.Tensor2D,
  ];
  return async () => {
    for (let i = 0; i < repeats; i++) matmul(a, b, transposed(product)).dispose();
    await settled();
    return [];
  };
}

/** From one buffer of the device to another. */
function copies(megabytes: number): Job {
  const bytes = megabytes * 2 ** 20;
  if (tf.getBackend() !== 'webgpu') {
    const [from, to] = [new Float32Array(bytes / 4).fill(1), new Float32Array(bytes / 4)];
    return () => {
      for (let i = 0; i < repeats; i++) to.set(from);
      return Promise.resolve([]);
    };
  }
  const { device, queue } = webgpuBackend();
  const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const [from, to] = [
    device.createBuffer({ size: bytes, usage }),
    device.createBuffer({ size: bytes, usage }),
  ];
  return async () => {
    const encoder = device.createCommandEncoder();
    for (let i = 0; i < repeats; i++) encoder.copyBufferToBuffer(from, 0, to, 0, bytes);
    queue.submit([encoder.finish()]);
    await queue.onSubmittedWorkDone();
    return [];
  };
}
