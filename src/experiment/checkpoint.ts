// What a run must have on disk to go on exactly where it was: the stage in progress with its step, adapters, optimizer
// moments and scalars, and how many lines of each output file were written by then. There is no random state and no
// data cursor: every draw is a function of the seed and the step. The tensors are written first, under a new name;
// replacing state.json is what makes the checkpoint the current one. Some of those before it are kept beside it, each
// with its own state, to go back to.

import { tf } from '../engine/tf';
import { kernelVariant, type Variant } from '../engine/wasm/variant';
import { isKernelChoice, type KernelChoice, kernelChoice, useKernels } from '../engine/webgpu/tiles';
import { floats, parseSafetensors, type Safetensors, writeSafetensors } from '../model/safetensors';
import { PlaygroundError } from '../shared/errors';
import type { DataSettings } from '../shared/experiment';
import type { BackendName } from '../shared/protocol';
import { checkpointId, checkpointOf, type CheckpointPlace, isLater } from '../storage/checkpoints';
import { type RunStore, readText, writeText } from '../storage/run-store';
import type { TrainState } from '../train/state';
import {
  damaged,
  parseState,
  type Progress,
  STATE,
  type StageProgress,
  type StoredState,
} from './stored-state';

/** Checkpoints in the middle of stages that are kept, the current one among them. */
const KEPT = 12;

export interface Checkpoint {
  progress: Progress;
  /** Fills in the state of the stage in progress, made anew by the stage's start; null when it has not begun. */
  restore: ((fresh: TrainState) => void) | null;
}

/** What a run's numbers follow from. */
export type Origin = Pick<StoredState, 'experiment' | 'backend' | 'fingerprints'>;

/** On WebGPU the tiles of products; on wasm the variant, which a browser does or does not have. */
const kernelsOf = (backend: BackendName): KernelChoice | Variant =>
  backend === 'webgpu' ? kernelChoice() : kernelVariant();

/** Makes the present state the one to resume from. */
export async function saveCheckpoint(
  store: RunStore,
  origin: Origin,
  progress: Progress,
  state: TrainState | null,
): Promise<void> {
  const kernels = kernelsOf(origin.backend);
  const stored: StoredState = { format: 1, ...origin, kernels, ...progress, state: null };
  const id = checkpointId({ stage: progress.stage, step: state?.step ?? 0 });
  if (state) {
    const { step, scalars, optimizers } = state;
    const updates = Object.fromEntries(Object.entries(optimizers).map(([name, { step }]) => [name, step]));
    const tensors = `checkpoint/${id}.safetensors`;
    await store.write(tensors, writeSafetensors(await tensorsOf(state)));
    stored.state = { step, scalars, updates, tensors };
  }
  const text = `${JSON.stringify(stored, null, 2)}\n`;
  await writeText(store, `checkpoint/${id}.json`, text);
  await writeText(store, STATE, text);
  const places = await keptPlaces(store);
  const middles = places.filter(({ step }) => step > 0);
  await removeAll(store, middles.slice(0, -KEPT));
}

/** The checkpoints that are there, in the order of the run; those of step 0 stand between two stages. */
async function keptPlaces(store: RunStore): Promise<CheckpointPlace[]> {
  const found = (await store.list('checkpoint/')).flatMap((path) => checkpointOf(path) ?? []);
  return found.sort((a, b) => (isLater(a, b) ? 1 : -1));
}

async function removeAll(store: RunStore, places: readonly CheckpointPlace[]): Promise<void> {
  for (const id of places.map(checkpointId)) {
    await store.remove(`checkpoint/${id}.json`);
    await store.remove(`checkpoint/${id}.safetensors`);
  }
}

/** Makes an earlier checkpoint the current one; what the run did after it is forgotten. */
async function goBack(store: RunStore, from: string, text: string): Promise<void> {
  await writeText(store, STATE, text);
  for (const path of ['report.json', 'report.md']) await store.remove(path);
  const there = checkpointOf(`checkpoint/${from}.json`);
  if (there)
    await removeAll(
      store,
      (await keptPlaces(store)).filter((place) => isLater(place, there)),
    );
}

/** The current checkpoint, null if there is none, or the one that `from` names, which is made the current one. Throws
 *  `bad-experiment` if it belongs to another experiment, `not-found` if there is none of that name. The kernels in use
 *  become those it was computed with. */
export async function loadCheckpoint(
  store: RunStore,
  origin: Origin,
  from?: string,
): Promise<Checkpoint | null> {
  const path = from === undefined ? STATE : `checkpoint/${from}.json`;
  const text = await readText(store, path);
  if (text === null) {
    if (from === undefined) return null;
    throw new PlaygroundError(
      'not-found',
      `The run keeps no checkpoint “${from}”.`,
      'Choose another one, or continue from the last.',
    );
  }
  const places = (await keptPlaces(store)).map((place) => `checkpoint/${checkpointId(place)}.json`);
  const earlier = places.findLast((place) => place !== path) ?? null;
  const { state, ...saved } = parseState(text, path, earlier);
  checkOrigin(saved, origin);
  // Before anything is cut or gone back to.
  const tensors = state && (await tensorsOfState(store, state, earlier));
  const { stage, seconds, lines, found, kernels } = saved;
  if (isKernelChoice(kernels)) useKernels(kernels);
  if (from !== undefined) await goBack(store, from, text);
  return {
    progress: { stage, seconds, lines, found },
    restore: state && tensors && ((fresh) => restore(fresh, state, tensors)),
  };
}

/** Throws unless the run goes on as what it began as. */
function checkOrigin(
  saved: Origin & { kernels: unknown },
  { experiment, backend, fingerprints }: Origin,
): void {
  if (canonical(saved.experiment) !== canonical(experiment)) {
    throw new PlaygroundError(
      'bad-experiment',
      'The run to resume was started with another experiment: its file, its seed or its settings differ.',
      'Resume with the same experiment file and seed, or start a new run.',
    );
  }
  if (saved.backend !== backend) {
    throw new PlaygroundError(
      'bad-arguments',
      `The run to resume was computed on ${saved.backend}, and this is ${backend}, whose numbers differ slightly.`,
      `Choose the device "${saved.backend}", or start a new run.`,
    );
  }
  const variant = kernelVariant();
  if (backend === 'wasm' && typeof saved.kernels === 'string' && saved.kernels !== variant) {
    throw new PlaygroundError(
      'bad-arguments',
      `The run to resume was computed by the ${saved.kernels} wasm kernels, and only the ${variant} ones run here: their sums differ in the last bits.`,
      'Resume it in the browser it began in (on the command line with the same --host), or start a new run.',
    );
  }
  for (const [what, print] of Object.entries(saved.fingerprints ?? {})) {
    if (print === fingerprints?.[what]) continue;
    const name = what === 'model' ? experiment.model : experiment.data[what as keyof DataSettings];
    throw new PlaygroundError(
      'bad-experiment',
      what === 'model'
        ? `The run to resume was started with other weights than ${name} has now.`
        : `The run to resume was started with other rows than data.${what} ("${name}") has now.`,
      'Put back what was there, or start a new run.',
    );
  }
}

async function tensorsOfState(
  store: RunStore,
  { tensors }: StageProgress,
  earlier: string | null,
): Promise<Safetensors> {
  const bytes = await store.read(tensors);
  if (!bytes) throw damaged(tensors, 'is gone', earlier);
  try {
    return parseSafetensors(bytes, tensors);
  } catch (error) {
    if (!(error instanceof PlaygroundError)) throw error;
    throw damaged(tensors, `cannot be read (${error.message})`, earlier);
  }
}

function restore(fresh: TrainState, state: StageProgress, file: Safetensors): void {
  fresh.step = state.step;
  Object.assign(fresh.scalars, state.scalars);
  // The copy of the best adapter so far is the one thing that a fresh state does not have.
  if ([...file.tensors.keys()].some((name) => name.startsWith('adapters/best/'))) {
    fresh.adapters['best'] = Object.values(fresh.adapters)[0]!.clone('best');
  }
  for (const [name, optimizer] of Object.entries(fresh.optimizers)) {
    optimizer.step = state.updates[name] ?? 0;
    optimizer.writeMoments((key) => floats(file, `optimizers/${name}/${key}`));
  }
  for (const [name, variable] of variablesOf(fresh)) {
    tf.tidy(() => variable.assign(tf.tensor(floats(file, name), variable.shape)));
  }
}

const variablesOf = ({ adapters }: TrainState): [string, tf.Variable][] =>
  Object.entries(adapters).flatMap(([name, { variables }]) =>
    Array.from(variables, ([key, variable]): [string, tf.Variable] => [`adapters/${name}/${key}`, variable]),
  );

async function tensorsOf(state: TrainState) {
  const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  for (const [name, variable] of variablesOf(state)) {
    tensors.set(name, { shape: variable.shape, values: (await variable.data()) as Float32Array });
  }
  for (const [name, optimizer] of Object.entries(state.optimizers)) {
    for (const [key, moment] of await optimizer.readMoments())
      tensors.set(`optimizers/${name}/${key}`, moment);
  }
  return tensors;
}

/** JSON with sorted keys, so that the order in a file does not matter. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
