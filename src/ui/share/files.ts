// Files that a person brings: a recorded experiment is replayed and kept, an experiment becomes what is edited. Nothing
// begins to run by itself.

import { isRecording } from '../../shared/recording';
import { parseExperiment } from '../../shared/validate';
import { arrive } from '../recorded/arrive';
import type { Asked } from '../recorded/recordings.svelte';
import type { Playground } from '../state/playground.svelte';

/** Opens a file's bytes; `asked` says where they came from, if from elsewhere. Throws what is wrong with the file. */
export async function openBytes(
  playground: Playground,
  bytes: Uint8Array,
  name: string,
  asked: Asked | null,
): Promise<void> {
  const { recordings, session } = playground;
  const origin = { experiment: null, open: asked?.url ?? null, from: null };
  const at = asked?.at ?? null;
  if (isRecording(bytes)) {
    const stream = new Blob([bytes.slice()]).stream();
    await recordings.show(arrive(Promise.resolve(stream), name), { origin, play: at === null, at });
    await recordings.keep();
  } else {
    const { experiment } = parseExperiment(new TextDecoder().decode(bytes), name);
    session.reset(null, experiment);
    playground.take(experiment, origin);
  }
  asked?.opened();
}

/** Hands a file to the person. */
export function saveFile(bytes: Uint8Array | string, name: string): void {
  const url = URL.createObjectURL(new Blob([typeof bytes === 'string' ? bytes : bytes.slice()]));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
