// Holds this engine, on the backend in use, to numbers computed by another: a golden directory has a model, adapters,
// inputs and the results (logits, losses, gradients, updated weights) of PyTorch in float64. What a directory leaves
// out is not checked; golden-cases.ts says what each case is, golden-texts.ts what a golden.json beside a model is.

import { parseObject } from '../model/json';
import { disposeModel, loadModel } from '../model/load';
import { Adapter } from '../model/lora';
import { readPeft, WHOLE } from '../model/peft';
import { floats, parseSafetensors, type Safetensors } from '../model/safetensors';
import type { ReadFile } from '../model/types';
import { PlaygroundError } from '../shared/errors';
import type { GoldenRow } from '../shared/protocol';
import { checkFull, CHECKS } from './golden-cases';
import { checkCases, checkMethodCases, checkTextCases } from './golden-layout';
import { checkMethods, METHODS_CHECKED, type MethodCases } from './golden-methods';
import { checkTexts, type GoldenText } from './golden-texts';
import type { Cases, Golden } from './golden-tools';

/** Every case of the directory; an error of Infinity marks a tensor that we lack or that is not finite. */
export async function runGolden(read: ReadFile): Promise<GoldenRow[]> {
  const texts = await read('golden.json');
  if (texts) return runTexts(read, texts);
  const json = parseObject(await need(read, 'cases.json')) ?? {};
  const file = parseSafetensors(await need(read, 'cases.safetensors'), 'cases.safetensors');
  const rows: GoldenRow[] = [];
  const adapters = new Map<string, Adapter>();
  const model = await loadModel('model', (path) => read(`model/${path}`));
  const golden: Golden = {
    model,
    cases: json as unknown as Cases,
    ...tensorsOf(file),
    adapter: async (name) => {
      const adapter = adapters.get(name) ?? (await readPeft(model, (path) => read(`${name}/${path}`), name));
      adapters.set(name, adapter);
      return adapter;
    },
    report: (kase, tensor, actual, expected) =>
      rows.push({ case: kase, tensor, error: relativeError(actual, expected) }),
  };
  try {
    checkCases(json, model.config);
    for (const check of CHECKS) await check(golden);
    const methods = await read('methods.json');
    if (methods) {
      const more = parseSafetensors(await need(read, 'methods.safetensors'), 'methods.safetensors');
      const cases = parseObject(methods);
      checkMethodCases(cases, METHODS_CHECKED, model.config);
      await checkMethods({ ...golden, ...tensorsOf(more) }, cases as unknown as MethodCases);
    }
    const full = await read('full.json');
    if (full) {
      const cases = { ...parseObject(full), batch: json['batch'] };
      checkCases(cases, model.config);
      const whole = Adapter.create(model, WHOLE, 0);
      adapters.set('all weights', whole);
      await checkFull({
        ...golden,
        ...tensorsOf(parseSafetensors(await need(read, 'full.safetensors'), 'full.safetensors')),
        cases: cases as unknown as Cases,
        adapter: () => Promise.resolve(whole),
      });
    }
  } finally {
    for (const adapter of adapters.values()) adapter.dispose();
    disposeModel(model);
  }
  return rows;
}

/** How cases find their references in a file. */
function tensorsOf(file: Safetensors): Pick<Golden, 'reference' | 'namesUnder'> {
  return {
    reference: (name) => (file.tensors.has(name) ? floats(file, name) : null),
    namesUnder: (prefix) =>
      [...file.tensors.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)),
  };
}

async function runTexts(read: ReadFile, bytes: Uint8Array): Promise<GoldenRow[]> {
  const rows: GoldenRow[] = [];
  const model = await loadModel('model', read);
  try {
    const texts = parseJson(bytes);
    checkTextCases(texts, model.config);
    await checkTexts(model, texts as GoldenText[], (kase, tensor, actual, expected) =>
      rows.push({ case: kase, tensor, error: relativeError(actual, expected) }),
    );
  } finally {
    disposeModel(model);
  }
  return rows;
}

/** max|Δ| / max|reference|; Infinity when sizes differ or a number is not finite. */
function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const delta = Math.abs((actual[i] ?? NaN) - (expected[i] ?? NaN));
    if (!Number.isFinite(delta)) return Infinity;
    difference = Math.max(difference, delta);
    largest = Math.max(largest, Math.abs(expected[i] ?? 0));
  }
  return difference === 0 ? 0 : difference / largest;
}

/** Undefined where it is no JSON. */
function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

async function need(read: ReadFile, path: string): Promise<Uint8Array> {
  const bytes = await read(path);
  if (bytes) return bytes;
  throw new PlaygroundError('not-found', `the golden directory has no ${path}`, 'Name a golden directory.');
}
