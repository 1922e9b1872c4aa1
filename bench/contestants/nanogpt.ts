// The supervised LoRA step of @genai-fi/nanogpt as its own trainer takes it, at the nearest shape it has. Its package
// bundles its patched tfjs, so that it runs without its install script. What differs from GPT-Neo: RMSNorm without bias
// for LayerNorm, one matrix for q, k and v (all three adapted), untrained weights, LoRA merged into the weights in every
// pass, and the loss over every row of logits. Its losses are therefore its own.

import type { Contestant } from '../contestant';
import { lora, tokenRows, training } from '../data';

const place = '/bench/peers/node_modules/@genai-fi/nanogpt/dist';

/** What is used of nanogpt. */
interface Tensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}
type Batch = Record<'xs' | 'ys', Tensor>;

interface Model {
  forward(options: { training: boolean }, ids: Tensor): Tensor;
}

interface Trainer {
  configure(options: object): void;
  trainStep(state: object, batch: Batch): Tensor;
}

interface Modules {
  backend: { selectBackend: (name: 'webgpu') => Promise<void> };
  NanoGPTV1: { default: new (config: object) => Model };
  SFTTrainer: { default: new (model: Model, tokeniser: object, options: object) => Trainer };
}

/** The engine of the tfjs inside its bundle, which exports no way to make a tensor. */
interface Engine {
  makeTensor(values: Int32Array, shape: number[], dtype: 'int32'): Tensor;
}

/** What its loss takes for a target that is not looked at. */
const ignored = 65535;

const load = async (path: string): Promise<unknown> => import(/* @vite-ignore */ `${place}/${path}.js`);

export const nanogpt: Contestant = {
  async open() {
    const { selectBackend } = (await load('backend')) as Modules['backend'];
    await selectBackend('webgpu');
    return 'its own tfjs WebGPU backend';
  },

  async prepare(work) {
    const { model: shape, prompt, completion } = work;
    const { default: NanoGPT } = (await load('models/NanoGPTV1')) as Modules['NanoGPTV1'];
    const { default: SFTTrainer } = (await load('training/SFTTrainer')) as Modules['SFTTrainer'];
    const model = new NanoGPT({
      modelType: 'GenAI_NanoGPT_v1',
      vocabSize: shape.vocab_size,
      blockSize: prompt + completion,
      nLayer: shape.num_layers,
      nHead: shape.num_heads,
      nEmbed: shape.hidden_size,
      mlpFactor: 4,
      useRope: false,
    });
    const rows = tokenRows(work);
    const engine = (globalThis as unknown as { _tfengine: Engine })._tfengine;
    const tensor = (values: number[][]) =>
      engine.makeTensor(Int32Array.from(values.flat()), [values.length, prompt + completion], 'int32');
    // What is predicted at each place: the next token, where that is of the completion.
    const targets = rows.map((ids) =>
      ids.map((_, i) => (i + 1 < prompt ? ignored : (ids[i + 1] ?? ignored))),
    );
    const batch: Batch = { xs: tensor(rows), ys: tensor(targets) };
    model.forward({ training: false }, batch.xs).dispose(); // makes the weights
    const settings = { learningRate: training.learning_rate, warmupSteps: 0, weightDecay: 0, clipNorm: 1 };
    const trainer = new SFTTrainer(model, {}, settings);
    const names: Record<string, string> = {
      q_proj: 'block_*_cAttn',
      v_proj: 'block_*_cAttn',
      c_fc: 'block_*_mlpHidden',
      c_proj: 'block_*_mlpOut',
    };
    const variables = [...new Set(shape.targets.map((target) => names[target]!))];
    trainer.configure({
      method: { type: 'supervised', supervised: 'lora' },
      loraConfig: { rank: lora.r, alpha: lora.lora_alpha, variables },
      learningRate: training.learning_rate,
    });
    return async () => {
      const loss = trainer.trainStep({}, batch);
      await loss.data();
      loss.dispose();
      return [];
    };
  },
};
