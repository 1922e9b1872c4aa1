// Models of the Hugging Face hub that this browser keeps: what there is, how much room it takes, and its removal.

import { PlaygroundError } from '../shared/errors';
import { HUB_CACHE, hubFile, wholeOf } from '../shared/hub';

export interface KeptModel {
  /** As an experiment names it. */
  source: string;
  bytes: number;
  /** Whether its weights are all here: a download that broke off is not. */
  whole: boolean;
}

/** By name; none where the browser has no Cache (an insecure address). */
export async function listKeptModels(): Promise<KeptModel[]> {
  const found = new Map<string, KeptModel>();
  await withCache(async (cache) => {
    for (const request of await cache.keys()) {
      const file = hubFile(request.url);
      const response = await cache.match(request);
      if (!file || !response) continue;
      const { source, path } = file;
      const model = found.get(source) ?? { source, bytes: 0, whole: false };
      const { size } = await response.blob();
      const whole = model.whole || path.endsWith('.safetensors');
      found.set(source, { source, bytes: model.bytes + size, whole });
    }
    for (const { url } of await cache.keys()) {
      const whole = wholeOf(url);
      if (whole === null || (await cache.match(whole))) continue;
      // A piece of what has not come to its end.
      const model = found.get(hubFile(url)?.source ?? '');
      if (model) model.whole = false;
    }
  });
  return [...found.values()].sort((a, b) => a.source.localeCompare(b.source));
}

export async function removeKeptModel(source: string): Promise<void> {
  await withCache(async (cache) => {
    for (const request of await cache.keys()) {
      if (hubFile(request.url)?.source === source) await cache.delete(request);
    }
  });
}

async function withCache(action: (cache: Cache) => Promise<void>): Promise<void> {
  if (!('caches' in globalThis)) return;
  try {
    await action(await caches.open(HUB_CACHE));
  } catch (error) {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    throw new PlaygroundError(
      'storage-failed',
      `The browser’s storage of models failed: ${reason}`,
      'Allow this site to store data, or free some disk space.',
    );
  }
}
